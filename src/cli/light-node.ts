import { existsSync } from 'node:fs'
import { XcareError } from '../errors.ts'
import { LOSS_NEXT, lossWords } from '../identity/vault-loss.ts'
import { registerIdentity } from '../light-node/identity.ts'
import { sweepUnfinished } from '../light-node/unfinished/journal.ts'
import { systemClock } from '../sdk/clock.ts'
import { type NetworkFolder, networkFolder, readNetworkFile } from '../sdk/network/network-folder.ts'
import { type LightNode, openLightNode } from '../sdk/open-light-node.ts'
import { runningRole } from '../sdk/roles/life.ts'
import { type OpenWallet, openWallet, readWalletFile } from '../sdk/wallet.ts'
import type { Invocation } from './invocation.ts'
import { passphraseOf } from './passphrase.ts'
import { metered } from './progress/meter.ts'

/** Unlocks the wallet of this invocation; touches no network. */
export async function withWallet(invocation: Invocation, passphrase?: string): Promise<OpenWallet> {
  const folder = networkFolder(invocation.dir)
  const network = await readNetworkFile(folder.root)
  const path = folder.wallet(invocation.wallet)
  // Nobody is asked for the passphrase of a wallet that is not there.
  await readWalletFile(path)
  const wallet = await openWallet(path, network, passphrase ?? (await passphraseOf(invocation)))
  const loss = wallet.vault.loss()
  if (loss) invocation.out.event({ type: 'warning', text: `${lossWords(loss)}; ${LOSS_NEXT}` })
  return wallet
}

/** Opens a light node on the wallet of this invocation for as long as `use` runs. */
export async function withLightNode<T>(
  invocation: Invocation,
  use: (node: LightNode) => Promise<T>,
  { passphrase, topics, signal }: { passphrase?: string; topics?: string[]; signal?: AbortSignal } = {},
): Promise<T> {
  const folder = networkFolder(invocation.dir)
  const network = await readNetworkFile(folder.root)
  const wallet = await withWallet(invocation, passphrase)
  await requireChain(folder).catch(async (error: unknown) => {
    await wallet.close()
    throw error
  })
  const node = await openLightNode({
    network,
    wallet,
    cache: `${folder.wallet(invocation.wallet)}/cache`,
    progress: metered(invocation.out.event, () => performance.now()),
    ...(topics ? { topics } : {}),
    ...(signal ? { signal } : {}),
  })
  try {
    await introduce(node)
    const result = await use(node)
    await sweep(node)
    return result
  } finally {
    await node.close()
  }
}

/** A local network that was taken down is not a broken connection, and needs another next step. */
async function requireChain(folder: NetworkFolder): Promise<void> {
  if (!existsSync(folder.anchor) || (await runningRole(folder.anchor))) return
  throw new XcareError('OFFLINE', `the network in ${folder.root} is not running`, {
    next: 'start it with `npx xcare up`; what it keeps is there',
  })
}

/**
 * Sees to what earlier puts left, after the command: it must not take the journal of a put that goes on. It
 * may be left for the next one.
 */
async function sweep({ ports }: LightNode): Promise<void> {
  const late = new AbortController()
  await Promise.race([
    sweepUnfinished(ports).catch(() => {}),
    systemClock.sleep(SWEEP_MS_MAX, late.signal).catch(() => {}),
  ])
  late.abort()
}

const SWEEP_MS_MAX = 10_000
const KNOWN_MARKER = 'identity-registered'

/** Makes the wallet's identity known to the chain when it is used for the first time. */
async function introduce({ ports, wallet }: LightNode): Promise<void> {
  const { did, inception, keys, vault } = wallet
  if (vault.marker(KNOWN_MARKER)) return
  await registerIdentity(ports, { did, inception, signing: keys.signing })
  await vault.setMarker(KNOWN_MARKER, Uint8Array.of(1))
}
