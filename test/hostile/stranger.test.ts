import { afterEach, expect, test } from 'vitest'
import { address, echo, ourPeer, portOf, soon, stopAll } from '../net/_stock.ts'
import { openPutOf } from '../storage-node/made-object.ts'
import { ServedNode } from '../storage-node/served-node.ts'
import { Stranger } from './stranger.ts'

const stranger = new Stranger()
afterEach(async () => {
  await stranger.leave()
  await stopAll()
})

test('its orders are valid: a node that knows nobody takes what it puts', async () => {
  const node = await ServedNode.start()
  const [one, other] = [stranger.object({ length: 1000 }), stranger.object({ length: 1000 })]
  expect(Buffer.from(one.objectId).equals(other.objectId)).toBe(false)
  const client = node.connect(stranger.nodeId())
  await client.send(openPutOf(one))
  expect(await client.putColumn(other)).toMatchObject({ op: 'RECEIPT' })
  await node.stop()
})

test('it has an identity for each peer, and connections without any', async () => {
  const server = await ourPeer(1)
  await server.handle('/test/echo/1', echo, { maxInboundStreams: 4 })
  const [one, other] = [await stranger.peer(), await stranger.peer()]
  expect(one.nodeId).not.toBe(other.nodeId)
  const stream = await one.open(address(server), '/test/echo/1', soon())
  await stream.write(Uint8Array.of(7))
  expect(await stream.read(10, 5000)).toEqual(Uint8Array.of(7))
  const sockets = await stranger.bareConnections(portOf(server), 3)
  expect(sockets.map(({ readyState }) => readyState)).toEqual(['open', 'open', 'open'])
})
