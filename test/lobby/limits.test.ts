import { describe, expect, it } from 'vitest'
import { assert } from '../../src/assert.ts'
import * as limits from '../../src/limits.ts'

describe('limits', () => {
  it('are positive whole numbers that stay exact', () => {
    for (const [name, value] of Object.entries(limits))
      if (typeof value === 'number') expect(Number.isSafeInteger(value) && value > 0, name).toBe(true)
  })

  it('leave strangers something of every budget, and never more than others need', () => {
    for (const [name, rules] of Object.entries(limits)) {
      if (typeof rules === 'number' || 'perSecond' in rules) continue
      const { node, guardian, owner } = rules.reserved
      expect(rules.total - node - guardian - owner, name).toBeGreaterThanOrEqual(rules.perStranger)
      expect(rules.perAddress, name).toBeGreaterThanOrEqual(rules.perStranger)
    }
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
