import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { concat } from '../../src/bytes.ts'
import { type ClientMessage, encodeFrame } from '../../src/wire/fragment-protocol.ts'
import { deleteOf, makeObject, openPutOf, seededBytes } from './made-object.ts'
import { ServedNode } from './served-node.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const STREAMS = Number(process.env.XCARE_FUZZ_STREAMS ?? 300)

let node: ServedNode
beforeAll(async () => {
  node = await ServedNode.start()
})
afterAll(() => node.stop())

test('no order of frames, whole or mutated, does more than end its own stream', {
  timeout: 60_000,
}, async () => {
  const object = makeObject({ seed: 1, length: 3000 })
  const victim = makeObject({ seed: 2, length: 3000 })
  await node.connect().putColumn(victim)
  const key = { objectId: victim.objectId, version: 1, columns: [0] }
  const leaves = { op: 'GET_LEAVES' as const, objectId: victim.objectId, version: 1 }
  const messages: ClientMessage[] = [
    openPutOf(object),
    openPutOf(object),
    { op: 'GET_HAVE' },
    { op: 'PUT', stripe: 0, first: 0, body: object.fragments[0]![0]! },
    { op: 'PUT', stripe: 1, first: 1, body: object.fragments[0]![0]! },
    { op: 'DONE', body: object.manifest },
    { op: 'DONE', body: victim.manifest },
    { op: 'GET', ...key, from: 0, to: 8192, hashes: true },
    { op: 'GET_HEADS', ...key, from: 3, to: 900 },
    { ...leaves, hashes: [0], ranges: [{ column: 0, stripe: 0, first: 0, count: 60 }] },
    { op: 'GET_MANIFEST', objectId: object.objectId },
    { op: 'GET_STATUS' },
    { ...deleteOf(object), version: 9 },
  ]
  for (let run = 0; run < STREAMS; run++) {
    const numbers = new Uint32Array(seededBytes(run + 1, 400).buffer)
    const client = node.connect()
    for (let step = 0; step < 12; step++) {
      let frame = concat(...encodeFrame(messages[numbers[step * 4]! % messages.length]!))
      const fate = numbers[step * 4 + 1]! % 6
      if (fate === 0)
        frame[numbers[step * 4 + 2]! % Math.min(frame.length, 300)]! ^= 1 << (numbers[step * 4 + 3]! % 8)
      if (fate === 1) frame = frame.slice(0, numbers[step * 4 + 2]! % frame.length)
      if (fate === 2) frame = seededBytes(run * 12 + step, 1 + (numbers[step * 4 + 2]! % 200)).slice()
      await client.stream.write(frame).catch(() => null)
    }
    await client.stream.close()
  }
  for (const end of await node.hangUp()) if (end) expect(end).toHaveProperty('name', 'XcareError')
  const answers = await node
    .connect()
    .collect({ op: 'GET', ...key, from: 0, to: victim.layout.stripes, hashes: false })
  expect(answers.slice(0, -1)).toEqual(
    victim.fragments[0]!.map((body, stripe) => ({ op: 'FRAG', stripe, first: 0, body })),
  )
  expect(await node.connect().putColumn(makeObject({ seed: 3 }))).toMatchObject({ op: 'RECEIPT' })
})
