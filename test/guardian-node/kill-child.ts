import { writeSync } from 'node:fs'
import { fromHex } from '../../src/bytes.ts'
import { openGuardian } from '../../src/guardian-node/guardian.ts'
import { guardianKeysOf } from '../../src/guardian-node/keys.ts'
import type { NodeId } from '../../src/ids.ts'
import { CUSTODY_MESSAGE_BYTES_MAX } from '../../src/limits.ts'
import { streamPair, TestChain, TestClock, testRandom } from './ports.ts'

// A guardian process that dies by SIGKILL once its receipt is durable and before its answer leaves.
interface Orders {
  dir: string
  network: string
  seed: string
  nowMs: number
  state: [string, string][]
  frame: string
}
const orders = JSON.parse(process.argv[2]!) as Orders
const clock = new TestClock(orders.nowMs)
const chain = new TestChain(orders.network, clock)
for (const [key, hex] of orders.state) chain.state.set(key, fromHex(hex))
const guardian = openGuardian({
  dir: orders.dir,
  network: orders.network,
  keys: await guardianKeysOf(fromHex(orders.seed)),
  ledger: chain.ledger(),
  broadcast: null,
  clock,
  random: testRandom('child'),
  log: (event) => {
    if (event.type !== 'served') return
    writeSync(1, 'receipt is durable\n')
    process.kill(process.pid, 'SIGKILL')
  },
})
const [asker, server] = streamPair('asker' as NodeId, 'guardian' as NodeId)
void guardian.serve(server)
await asker.write(fromHex(orders.frame))
await asker.read(CUSTODY_MESSAGE_BYTES_MAX, 10_000)
writeSync(1, 'answered\n')
