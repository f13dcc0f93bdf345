import { basename, dirname, join, resolve } from 'node:path'
import { XcareError } from '../../errors.ts'
import {
  type NetworkFile,
  readNetworkFile,
  readNetworkFileOrNull,
  writeNetworkFile,
} from '../network/network-folder.ts'

/** Folders of a network's own folder that hold its parts. */
const INSIDE = ['nodes', 'guardians']

/**
 * @returns the network that the part in `dir` belongs to. A part inside a network's folder belongs to that
 * one, wherever the folder was moved or copied to. Another part follows the folder named at its set-up as
 * long as the same network is there, and keeps a copy of what it must know for when it is not.
 * @param networkDir as its set-up has it, relative to `dir`.
 * @throws XcareError NOT_INITIALISED when no network is found.
 */
export async function networkOfPart(dir: string, networkDir: string): Promise<NetworkFile> {
  const path = resolve(dir)
  if (INSIDE.includes(basename(dirname(path)))) {
    const around = await readNetworkFileOrNull(join(path, '../..'))
    if (around) return around
  }
  const root = resolve(path, networkDir)
  const own = await readNetworkFileOrNull(path)
  const named = await readNetworkFileOrNull(root).catch((error: unknown) => {
    if (own) return null
    throw error
  })
  if (!own) return named ?? readNetworkFile(root)
  if (!named || named.network !== own.network) return own
  if (JSON.stringify(named) !== JSON.stringify(own)) await writeNetworkFile(path, named)
  return named
}

/**
 * Keeps in the folder of a part what it must know of its network.
 * @throws XcareError REFUSED when it belongs to another one.
 */
export async function keepNetworkOfPart(dir: string, network: NetworkFile): Promise<void> {
  const own = await readNetworkFileOrNull(dir)
  if (own && own.network !== network.network)
    throw new XcareError(
      'REFUSED',
      `${dir} belongs to the network ${own.network}, not to ${network.network}`,
      {
        next: 'choose another folder with --dir',
      },
    )
  await writeNetworkFile(dir, network)
}
