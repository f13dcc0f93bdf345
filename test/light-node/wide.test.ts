import { afterAll, beforeAll, expect, test } from 'vitest'
import { PROFILES } from '../../src/fragment/profile.ts'
import type { ObjectId } from '../../src/ids.ts'
import { seededBytes } from '../storage-node/made-object.ts'
import { MemoryNetwork } from './memory-network.ts'

const BYTES = seededBytes(5, 2_000_000)
let net: MemoryNetwork
let objectId: ObjectId
beforeAll(async () => {
  net = await MemoryNetwork.start()
}, 60_000)
afterAll(() => net.stop())

test('32,768 fragments on twelve nodes: one stream and one receipt a node', {
  timeout: 120_000,
}, async () => {
  const stored = await net.put(BYTES, PROFILES.wide)
  objectId = stored.objectId
  expect(stored.weakest.columns).toBe(32_768)
  expect(net.streams).toHaveLength(12)
  const counts = await Promise.all(net.nodes.map(({ store }) => store.call('status')))
  expect(counts.reduce((sum, { fragments }) => sum + fragments, 0)).toBe(32_768)
})

test('any seven nodes are enough, six are not', { timeout: 120_000 }, async () => {
  for (const node of net.nodes.slice(0, 5)) node.isDown = true
  net.streams.length = 0
  expect(Buffer.from(await net.get(objectId)).equals(BYTES)).toBe(true)
  // One for the manifest, one for the columns of each node.
  expect(net.streams.length).toBeLessThanOrEqual(8)
  for (const node of net.nodes.slice(0, 7)) node.isDown = true
  await expect(net.get(objectId)).rejects.toMatchObject({ code: 'TOO_FEW_FRAGMENTS' })
})
