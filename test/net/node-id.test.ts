import { describe, expect, test } from 'vitest'
import { fromHex, toHex } from '../../src/bytes.ts'
import { nodeIdFromPublicKey, publicKeyOfNodeId } from '../../src/net/node-id.ts'
import vectors from '../vectors/transport.json' with { type: 'json' }

describe('a node id', () => {
  test.each(vectors.nodeIds)('$nodeId is its public key', ({ nodeId, publicKey }) => {
    expect(nodeIdFromPublicKey(fromHex(publicKey))).toBe(nodeId)
    expect(toHex(publicKeyOfNodeId(nodeId))).toBe(publicKey)
  })

  test.each(vectors.notNodeIds)('is not "%s"', (text) => {
    expect(() => publicKeyOfNodeId(text)).toThrow(expect.objectContaining({ code: 'MALFORMED' }))
  })

  test('needs a key of 32 bytes', () => {
    for (const length of [0, 31, 33])
      expect(() => nodeIdFromPublicKey(new Uint8Array(length))).toThrow(
        expect.objectContaining({ code: 'MALFORMED' }),
      )
  })
})
