import { describe, expect, it } from 'vitest'
import { assert } from '../../src/assert.ts'
import * as limits from '../../src/limits.ts'

describe('limits', () => {
  it('are positive whole numbers that stay exact', () => {
    for (const [name, value] of Object.entries(limits))
      expect(Number.isSafeInteger(value) && value > 0, name).toBe(true)
  })

  it('let a fragment travel, be stored and be audited whole', () => {
    expect(limits.FRAGMENT_BYTES_MAX % limits.LEAF_BYTES).toBe(0)
    expect(limits.FRAGMENT_BYTES_MAX).toBeLessThan(limits.FRAME_BYTES_MAX)
    expect(limits.CHUNK_BYTES + limits.CHUNK_TAG_BYTES).toBeLessThan(limits.SHARD_BYTES_MAX)
  })
})

describe('assert', () => {
  it('stops on a broken promise and says which', () => {
    expect(() => assert(true, 'fine')).not.toThrow()
    expect(() => assert(false, 'one is two')).toThrow('assertion failed: one is two')
  })
})
