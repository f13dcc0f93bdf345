import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { toHex } from '../../src/bytes.ts'
import { requestRelease } from '../../src/light-node/guardians/release.ts'
import { requestFrame } from '../../src/wire/custody-protocol.ts'
import { testRandom } from './ports.ts'
import { NETWORK, World } from './world.ts'

const CHILD = fileURLToPath(new URL('./kill-child.ts', import.meta.url))

test('killed between receipt and answer: the receipt is there after restart, and the nonce stays used', async () => {
  const world = await World.open('kill', 2)
  try {
    const owner = await world.person('owner')
    const clinic = await world.person('clinic')
    const object = await world.keep(owner, 'Blood test', 2)
    const held = await world.grant(owner, clinic, object)
    const frame = await world.releaseFrame(clinic, held, object.objectId, 0)
    await world.guardians[0]!.guardian.stop()
    const orders = {
      dir: world.folderOf(0),
      network: NETWORK,
      seed: toHex(testRandom('guardian 0').bytes(32)),
      nowMs: world.clock.nowMs(),
      state: [...world.chain.state].map(([key, value]) => [key, toHex(value)]),
      frame: toHex(frame),
    }
    const child = spawn(process.execPath, [CHILD, JSON.stringify(orders)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let said = ''
    child.stdout.on('data', (text: Buffer) => {
      said += text.toString()
    })
    const [, signal] = await once(child, 'exit')
    expect(signal).toBe('SIGKILL')
    expect(said).toBe('receipt is durable\n')

    world.guardians[0]!.start()
    expect(await world.ask(0, requestFrame.encode({ type: 'status' }))).toMatchObject({
      receipts: 1,
      shares: 1,
    })
    expect(await world.ask(0, frame)).toEqual({ type: 'refused', reason: 'replayed' })
    const { custodyKey } = await requestRelease(world.ports(clinic), object.custody, held)
    expect(custodyKey).toEqual(object.custodyKey)
    expect(await world.ask(0, requestFrame.encode({ type: 'status' }))).toMatchObject({ receipts: 2 })
  } finally {
    await world.close()
  }
})
