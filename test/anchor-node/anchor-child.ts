import { setTimeout as wait } from 'node:timers/promises'
import { startAnchor } from '../../src/anchor-node/anchor.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import { key } from '../chain-anchor/app/chain-actors.ts'

// The anchor as a process of its own. Arguments: folder, number of validators.
const [dir, validators] = process.argv.slice(2)
try {
  const anchor = await startAnchor({
    dir,
    listenRpcPort: 0,
    genesis: {
      chainId: 'xcare-test',
      governors: [key('governor').publicKey],
      validators: Number(validators),
    },
    clock: { nowMs: () => Date.now(), sleep: async (ms, signal) => wait(ms, undefined, { signal }) },
    random: systemRandom,
    log: (event) => process.stderr.write(`${JSON.stringify(event)}\n`),
    blockIntervalMs: 20,
  })
  const { rpcUrl, chainId, trust } = anchor
  process.stdout.write(`${JSON.stringify({ type: 'ready', rpcUrl, chainId, trust })}\n`)
  process.on('SIGTERM', () => anchor.stop().then(() => process.exit(0)))
} catch (error) {
  process.stdout.write(
    `${JSON.stringify({ type: 'failed', code: (error as { code?: string }).code ?? String(error) })}\n`,
  )
  process.exitCode = 1
}
