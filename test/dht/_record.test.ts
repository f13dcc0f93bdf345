import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, test } from 'vitest'
import { toHex } from '../../src/bytes.ts'
import { addProviderMessage, kadIdOf, recordKey, varint } from '../../src/dht/_record.ts'
import type { ObjectId } from '../../src/ids.ts'
import vectors from '../vectors/directory.json' with { type: 'json' }

describe('the directory', () => {
  test.each(vectors.records)('knows $objectId under its key', ({ objectId, key, multihash, place }) => {
    const cid = recordKey(objectId as ObjectId)
    expect(cid.toString()).toBe(key)
    expect(toHex(cid.multihash.bytes)).toBe(multihash)
    expect(toHex(kadIdOf(cid))).toBe(place)
  })

  test('writes the announcement of the Kademlia specification', () => {
    const { objectId, nodeId, addresses, message } = vectors.addProvider
    const bytes = addresses.map((text) => multiaddr(text).bytes)
    expect(toHex(addProviderMessage(recordKey(objectId as ObjectId), peerIdFromString(nodeId), bytes))).toBe(
      message,
    )
  })

  test('refuses what is no object id', () => {
    for (const text of ['', 'b', 'abc', vectors.records[0]!.key])
      expect(() => recordKey(text as ObjectId)).toThrow(expect.objectContaining({ code: 'MALFORMED' }))
  })

  test('writes varints', () => {
    expect([0, 1, 127, 128, 300, 2 ** 31 - 1].map((value) => toHex(varint(value)))).toEqual([
      '00',
      '01',
      '7f',
      '8001',
      'ac02',
      'ffffffff07',
    ])
  })
})
