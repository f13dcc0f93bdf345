import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Budget, type BudgetRules, type Lease, type Party, type Standing } from '../../src/budget.ts'

const RULES: BudgetRules = {
  ...{ total: 20, reserved: { node: 4, guardian: 2, owner: 4 } },
  ...{ perStranger: 5, perProven: 12, perAddress: 8, graceMs: 100 },
}
const stranger = (holder: string, address: string | null = null): Party => ({
  standing: 'stranger',
  holder,
  address,
})
const proven = (standing: Standing, holder: string = standing): Party => ({ standing, holder, address: null })

/** Takes one place; what is evicted is noted. */
function taker(budget: Budget) {
  const evicted: string[] = []
  const take = (party: Party, nowMs: number, amount = 1) =>
    budget.take(party, amount, nowMs, () => evicted.push(party.holder))
  return { take, evicted }
}

describe('shares', () => {
  test('strangers together never have what is reserved, and each proven standing always gets its part', () => {
    const budget = new Budget(RULES)
    const { take } = taker(budget)
    for (let at = 0; at < 30; at++) take(stranger(`s${at}`), 0)
    expect(budget.taken('stranger')).toBe(10)
    expect(take(proven('node'), 0, 4)).not.toBeNull()
    expect(take(proven('guardian'), 0, 2)).not.toBeNull()
    expect(take(proven('owner'), 0, 4)).not.toBeNull()
    expect(budget.taken()).toBe(20)
  })

  test('beyond its part a proven party makes strangers leave, however busy they are', () => {
    const budget = new Budget(RULES)
    const { take, evicted } = taker(budget)
    for (let at = 0; at < 10; at++) take(stranger(`s${at}`), at)
    expect(take(proven('node'), 10, 7)).not.toBeNull()
    expect(evicted).toEqual(['s0', 's1', 's2'])
    expect(take(proven('owner'), 10, 12)).toBeNull()
    expect(budget.taken()).toBe(14)
  })

  test('a stranger has its cap, and gets nothing by asking for more than that', () => {
    const { take, evicted } = taker(new Budget(RULES))
    for (let at = 0; at < 5; at++) expect(take(stranger('greedy'), 0)).not.toBeNull()
    expect(take(stranger('greedy'), 1e6)).toBeNull()
    expect(take(stranger('huge'), 1e6, 6)).toBeNull()
    expect(evicted).toEqual([])
  })

  test('at the cap of an address the newcomer takes the place of its idlest, and of nobody elsewhere', () => {
    const { take, evicted } = taker(new Budget(RULES))
    take(stranger('elsewhere', 'there'), 0)
    for (let at = 0; at < 8; at++) take(stranger(`s${at}`, 'here'), at)
    expect(take(stranger('late', 'here'), 50)).toBeNull()
    expect(take(stranger('late', 'here'), 200)).not.toBeNull()
    expect(evicted).toEqual(['s0'])
  })
})

describe('who goes', () => {
  test('the idlest goes first, who is busy stays', () => {
    const { take, evicted } = taker(new Budget(RULES))
    const leases = Array.from({ length: 10 }, (_, at) => take(stranger(`s${at}`), 0)!)
    for (const [at, lease] of leases.entries()) if (at !== 6) lease.touch(150)
    expect(take(stranger('late'), 200)).not.toBeNull()
    expect(take(stranger('later'), 200)).toBeNull()
    expect(evicted).toEqual(['s6'])
  })

  test('many of one holder go before the one of another that is idle for twice as long', () => {
    const { take, evicted } = taker(new Budget(RULES))
    take(stranger('single'), 0)
    for (let at = 0; at < 5; at++) take(stranger('greedy'), 500)
    for (let at = 0; at < 4; at++) take(stranger(`s${at}`), 900)
    for (let at = 0; at < 3; at++) take(stranger(`late${at}`), 1000)
    expect(evicted).toEqual(['greedy', 'greedy', 'greedy'])
  })

  test('what cannot be ended is never evicted', () => {
    const budget = new Budget(RULES)
    for (let at = 0; at < 10; at++) budget.take(stranger(`s${at}`), 1, 0)
    expect(budget.take(stranger('late'), 1, 1e9, () => {})).toBeNull()
    expect(budget.take(proven('node'), 5, 1e9)).toBeNull()
  })

  test('whoever is evicted holds nothing, and its late words change nothing', () => {
    const budget = new Budget(RULES)
    let victim: Lease | null = null
    let heldThen = -1
    victim = budget.take(stranger('victim'), 5, 0, () => {
      heldThen = budget.takenBy('victim')
      victim?.release()
    })
    expect(budget.take(proven('node'), 12, 10)).not.toBeNull()
    expect([heldThen, victim!.amount]).toEqual([0, 0])
    expect([victim!.grow(1, 20), victim!.promote('owner')]).toEqual([false, false])
    victim!.release()
    expect(budget.taken()).toBe(12)
  })
})

describe('leases', () => {
  test('grow by what there is, and shrink', () => {
    const budget = new Budget(RULES)
    const lease = budget.take(stranger('one'), 1, 0)!
    expect(lease.grow(4, 0)).toBe(true)
    expect(lease.grow(1, 0)).toBe(false)
    lease.shrink(3)
    expect([lease.amount, budget.takenBy('one')]).toEqual([2, 2])
    lease.shrink(100)
    expect(budget.taken()).toBe(0)
  })

  test('proof moves all that a holder has: strangers have its places again, and it is safe', () => {
    const budget = new Budget(RULES)
    const { take, evicted } = taker(budget)
    for (let at = 0; at < 3; at++) take(stranger('peer', 'here'), 0)
    for (let at = 0; at < 7; at++) take(stranger(`s${at}`), 500)
    budget.promote('peer', 'owner')
    expect([budget.taken('owner'), budget.taken('stranger')]).toEqual([3, 7])
    for (let at = 0; at < 20; at++) take(stranger(`late${at}`, 'here'), 1000)
    expect(evicted).not.toContain('peer')
    expect([budget.taken('owner'), budget.taken('stranger')]).toEqual([3, 10])
  })
})

const step = fc.record({
  what: fc.constantFrom('take', 'take', 'take', 'grow', 'shrink', 'promote', 'release', 'touch'),
  standing: fc.constantFrom<Standing>('node', 'guardian', 'owner', 'stranger', 'stranger'),
  holder: fc.nat(6),
  address: fc.option(fc.nat(2)),
  amount: fc.nat(5),
  which: fc.nat(),
  laterMs: fc.nat(150),
})

/** What must hold after every step, by the leases themselves. */
function check(budget: Budget, rules: BudgetRules, leases: Lease[]): void {
  const sum = (among: (party: Party) => boolean) =>
    leases.reduce((all, { party, amount }) => all + (among(party) ? amount : 0), 0)
  const { node, guardian, owner } = rules.reserved
  const isStranger = ({ standing }: Party) => standing === 'stranger'
  expect(budget.taken()).toBe(sum(() => true))
  expect(budget.taken()).toBeLessThanOrEqual(rules.total)
  expect(budget.taken('stranger')).toBe(sum(isStranger))
  expect(budget.taken('stranger')).toBeLessThanOrEqual(rules.total - node - guardian - owner)
  for (const address of ['0', '1', '2'])
    expect(sum((party) => isStranger(party) && party.address === address)).toBeLessThanOrEqual(
      rules.perAddress,
    )
  for (const { party } of leases) {
    const most = Math.max(rules.perStranger, rules.perProven)
    expect(budget.takenBy(party.holder)).toBe(sum(({ holder }) => holder === party.holder))
    expect(budget.takenBy(party.holder)).toBeLessThanOrEqual(most)
  }
}

test('whatever is asked in whatever order: caps and shares hold, and no reserved part is ever denied', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const budget = new Budget(RULES)
      const leases: Lease[] = []
      let nowMs = 0
      for (const { what, standing, holder, address, amount, which, laterMs } of steps) {
        nowMs += laterMs
        const lease = leases[which % Math.max(1, leases.length)]
        if (what === 'take') {
          const party = { standing, holder: `${standing} ${holder}`, address: address?.toString() ?? null }
          const isDue =
            standing !== 'stranger' &&
            budget.taken(standing) + amount <= RULES.reserved[standing] &&
            budget.takenBy(party.holder) + amount <= RULES.perProven
          const taken = budget.take(party, amount, nowMs, which % 3 > 0 ? () => {} : null)
          expect(taken !== null || !isDue).toBe(true)
          if (taken) leases.push(taken)
        } else if (what === 'grow') lease?.grow(amount, nowMs)
        else if (what === 'shrink') lease?.shrink(amount)
        else if (what === 'promote') lease?.promote('owner')
        else if (what === 'release') lease?.release()
        else lease?.touch(nowMs)
        check(budget, RULES, leases)
      }
    }),
  )
})
