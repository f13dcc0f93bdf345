import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Party, Standing } from '../../src/budget.ts'
import { RateBudget, type RateRules } from '../../src/rate.ts'

const RULES: RateRules = {
  ...{ perSecond: 10, burst: 100, reserved: { node: 0.1, guardian: 0.1, owner: 0.2 }, remembered: 50 },
  ...{ perHolder: { perSecond: 5, burst: 30 }, perAddress: { perSecond: 8, burst: 50 } },
}
const stranger = (holder: string, address: string | null = null): Party => ({
  standing: 'stranger',
  holder,
  address,
})
const count = (budget: RateBudget, party: Party, nowMs: number, tries: number) =>
  Array.from({ length: tries }, () => budget.take(party, nowMs)).filter(Boolean).length

describe('a rate', () => {
  test('gives a holder its burst, and again what comes back with time', () => {
    const budget = new RateBudget(RULES, 0)
    expect(count(budget, stranger('one'), 0, 100)).toBe(30)
    expect(count(budget, stranger('one'), 2000, 100)).toBe(10)
  })

  test('strangers leave each proven standing its part', () => {
    const budget = new RateBudget(RULES, 0)
    for (let at = 0; at < 40; at++) count(budget, stranger(`s${at}`), 0, 30)
    expect(count(budget, { standing: 'owner', holder: 'o', address: null }, 0, 100)).toBe(20)
    expect(count(budget, { standing: 'node', holder: 'n', address: null }, 0, 100)).toBe(10)
  })

  test('all holders of one address have a cap together', () => {
    const budget = new RateBudget(RULES, 0)
    const got = Array.from({ length: 10 }, (_, at) => count(budget, stranger(`s${at}`, 'here'), 0, 10))
    expect(got.reduce((a, b) => a + b)).toBeLessThanOrEqual(50)
  })

  test('eight that take all they can get for a minute leave a ninth its turn', () => {
    const rules = { ...RULES, perHolder: { perSecond: 10, burst: 60 } }
    const budget = new RateBudget(rules, 0)
    const greedy = Array.from({ length: 8 }, (_, at) => stranger(`s${at}`))
    let refused = 0
    for (let nowMs = 0; nowMs < 60_000; nowMs += 50) {
      for (const party of greedy) budget.take(party, nowMs)
      // Once in two seconds, where a ninth part of 6 a second would be more.
      if (nowMs % 2000 === 0 && !budget.take(stranger('modest'), nowMs)) refused++
    }
    expect(refused).toBe(0)
  })

  test('never more than so many parties are remembered, and forgetting gives nobody more than there is', () => {
    const budget = new RateBudget(RULES, 0)
    let got = 0
    for (let at = 0; at < 5000; at++) got += budget.take(stranger(`s${at}`), 0) ? 1 : 0
    expect(got).toBeLessThanOrEqual(60)
  })
})

test('in any stretch of time strangers get at most the shared burst and what came back, however they come', () => {
  const ask = fc.record({
    standing: fc.constantFrom<Standing>('stranger', 'stranger', 'owner', 'node'),
    holder: fc.nat(20),
    address: fc.option(fc.nat(2)),
    amount: fc.integer({ min: 1, max: 4 }),
    laterMs: fc.nat(400),
  })
  fc.assert(
    fc.property(fc.array(ask, { maxLength: 200 }), (asks) => {
      const budget = new RateBudget(RULES, 0)
      let nowMs = 0
      let strangers = 0
      let all = 0
      for (const { standing, holder, address, amount, laterMs } of asks) {
        nowMs += laterMs
        const party = { standing, holder: `${standing} ${holder}`, address: address?.toString() ?? null }
        if (!budget.take(party, nowMs, amount)) continue
        all += amount
        if (standing === 'stranger') strangers += amount
        expect(strangers).toBeLessThanOrEqual(0.6 * (100 + nowMs / 100) + 1e-6)
        expect(all).toBeLessThanOrEqual(100 + nowMs / 100 + 1e-6)
      }
    }),
  )
})
