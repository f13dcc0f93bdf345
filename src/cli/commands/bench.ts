import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { toHex } from '../../bytes.ts'
import { systemRandom } from '../../crypto/random.ts'
import { XcareError } from '../../errors.ts'
import { LOCAL_SIZE } from '../../sdk/network/local-network.ts'
import { networkFolder } from '../../sdk/network/network-folder.ts'
import { startNetwork, stopNetwork } from '../../sdk/network/start-network.ts'
import { openLightNode } from '../../sdk/open-light-node.ts'
import { createWallet, openWallet } from '../../sdk/wallet.ts'
import { fingerprint } from '../bench/machine.ts'
import { measurePutGet, type PutGetFigures, untilSettled } from '../bench/put-get.ts'
import { action, type Invocation } from '../invocation.ts'

const MIB = 1024 * 1024
const WARM_UP_BYTES = 8 * MIB
const QUICK_SHAPES = [
  { k: 6, n: 12 },
  { k: 20, n: 40 },
]

interface BenchOptions {
  quick?: boolean
  size: string
}

/** Adds `bench`: puts and gets through a network of its own, in a folder that is removed afterwards. */
export function addBenchCommand(program: Command): void {
  program
    .command('bench')
    .description('measure put and get through real processes on this machine')
    .option('--quick', '6/12 and 20/40, once each')
    .option('--size <MiB>', 'bytes of user data in MiB', '64')
    .action(action(bench))
}

async function bench(invocation: Invocation, options: BenchOptions): Promise<Record<string, unknown>> {
  const bytes = Number(options.size) * MIB
  if (!Number.isInteger(bytes) || bytes < 1 || bytes > 256 * MIB)
    throw new XcareError('USAGE', '--size is a whole number of MiB, at most 256')
  const { out } = invocation
  const machine = fingerprint()
  out.event({ type: 'machine', ...machine })
  const scratch = await mkdtemp(join(tmpdir(), 'xcare-bench-'))
  const folder = networkFolder(scratch)
  const clean = async () => {
    await stopNetwork(folder)
    await rm(scratch, { recursive: true, force: true })
  }
  invocation.atInterrupt = clean
  try {
    const network = await startNetwork(folder, LOCAL_SIZE, out.event)
    const passphrase = toHex(systemRandom.bytes(16))
    await createWallet(folder.wallet('bench'), network, passphrase)
    const wallet = await openWallet(folder.wallet('bench'), network, passphrase)
    const node = await openLightNode({ network, wallet, cache: join(scratch, 'cache'), progress: out.event })
    const figures: PutGetFigures[] = []
    for (const shape of QUICK_SHAPES) {
      // Once small to warm up: code is compiled, connections are open.
      await measurePutGet(node, folder, { ...shape, bytes: WARM_UP_BYTES })
      await untilSettled(folder)
      figures.push(await measurePutGet(node, folder, { ...shape, bytes }))
      out.event({ type: 'bench', ...figures.at(-1)! })
    }
    await node.close()
    return { machine, figures }
  } finally {
    await clean()
  }
}
