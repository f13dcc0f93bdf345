import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { durability, PROFILES, profileFor, profileNamed } from '../../src/fragment/profile.ts'

/** Sum over every up/down combination: the definition itself. */
function byEnumeration(k: number, ups: number[], columns = ups.map(() => 1)): number {
  let sum = 0
  for (let set = 0; set < 1 << ups.length; set++) {
    let probability = 1
    let count = 0
    ups.forEach((up, at) => {
      const isUp = ((set >> at) & 1) === 1
      probability *= isUp ? up : 1 - up
      if (isUp) count += columns[at]!
    })
    if (count < k) sum += probability
  }
  return sum
}

describe('durability', () => {
  it('equals the sum over all combinations', () => {
    const ups = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 9 })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), ups, (k, list) => {
        expect(durability(k, list).unavailable).toBeCloseTo(byEnumeration(k, list), 12)
      }),
      { numRuns: 60 },
    )
  })

  it('counts the columns of one holder together', () => {
    const holders = fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(4)), {
      minLength: 1,
      maxLength: 8,
    })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), holders, (k, list) => {
        const [ups, columns] = [list.map(([up]) => up), list.map(([, kept]) => kept)]
        expect(durability(k, ups, columns).unavailable).toBeCloseTo(byEnumeration(k, ups, columns), 12)
      }),
      { numRuns: 60 },
    )
    expect(() => durability(2, [1, 1], [1])).toThrow(expect.objectContaining({ code: 'USAGE' }))
    expect(() => durability(2, [1], [0.5])).toThrow(expect.objectContaining({ code: 'USAGE' }))
  })

  it('keeps tiny probabilities exact', () => {
    // 7 or more of 12 down at 1 %: dominated by C(12,7) 0.01^7 0.99^5
    const { unavailable, nines } = durability(PROFILES.grid.k, Array(12).fill(0.99))
    expect(unavailable).toBeGreaterThan(7.5e-12)
    expect(unavailable).toBeLessThan(7.7e-12)
    expect(nines).toBeCloseTo(11.1, 1)
  })

  it('says certain, hopeless and absurd plainly', () => {
    expect(durability(3, [1, 1, 1])).toEqual({ unavailable: 0, nines: 99 })
    expect(durability(3, [1, 1])).toEqual({ unavailable: 1, nines: 0 })
    expect(() => durability(1, [1.01])).toThrow(expect.objectContaining({ code: 'USAGE' }))
    expect(() => durability(1, [Number.NaN])).toThrow(expect.objectContaining({ code: 'USAGE' }))
  })
})

describe('profiles', () => {
  it.each(Object.values(PROFILES))('$name keeps its own promise at its assumed availability', (profile) => {
    const { k, n, target, repairAt, t, m, availability, nines } = profile
    expect(k < repairAt && repairAt < target && target <= n && t <= m && 2 * t > m).toBe(true)
    // columns are kept one by one, or by 12 nodes that share them evenly
    const holders = Math.min(n, n > 255 ? 12 : n)
    const kept = Array.from({ length: holders }, (_, at) => Math.floor((n + at) / holders))
    const ninesAt = (columns: number) => {
      while (kept.reduce((sum, count) => sum + count, 0) > columns) kept.pop()
      return durability(
        k,
        kept.map(() => availability),
        kept,
      ).nines
    }
    expect(ninesAt(target)).toBeGreaterThanOrEqual(nines)
    expect(ninesAt(repairAt)).toBeGreaterThan(2.5)
  })

  it('finds named shapes and makes others', () => {
    expect(profileFor(6, 12)).toBe(PROFILES.grid)
    expect(profileNamed('deep')).toBe(PROFILES.deep)
    expect(profileNamed('29/80')).toMatchObject({ name: '29/80', k: 29, n: 80, target: 63, repairAt: 55 })
    expect(profileFor(3, 3)).toMatchObject({ target: 3, repairAt: 3 })
    for (const name of ['', 'toString', '6', '0/4', '7/6', '1/2/3', '-1/4'])
      expect(() => profileNamed(name)).toThrow(expect.objectContaining({ code: 'USAGE' }))
  })
})
