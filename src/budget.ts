import { assert } from './assert.ts'

/**
 * What is proven of a party: a registered storage node, a guardian, who signs for an anchored object, or
 * nothing.
 */
export type Standing = 'node' | 'guardian' | 'owner' | 'stranger'
/** Every standing but that of whom nothing is proven. */
export type ProvenStanding = Exclude<Standing, 'stranger'>

/** Who asks for a part of something that there is only so much of. */
export interface Party {
  standing: Standing
  /** Whom it counts for: a peer id, an owner key, a mailbox. */
  holder: string
  /** Network address it comes from; null where that tells nothing apart: loopback, memory. */
  address: string | null
}

/** How something is divided. Amounts are of any one unit: places, bytes, letters. */
export interface BudgetRules {
  total: number
  /** Kept for those of a standing: what they take up to here no stranger can have. The rest is for all. */
  reserved: Readonly<Record<ProvenStanding, number>>
  /** One stranger, and one party of another standing, at most. */
  perStranger: number
  perProven: number
  /** All strangers of one address, at most. */
  perAddress: number
  /** Who did something within this time is not put out for a stranger. */
  graceMs: number
}

/**
 * A part of a budget that somebody holds until `release`. After that, or when it was evicted, every call is
 * in vain and does no harm.
 */
export interface Lease {
  readonly party: Party
  /** 0 when it is not held any more. */
  readonly amount: number
  /** Says that its holder did something now. */
  touch(nowMs: number): void
  /** Takes more under the same lease. @returns whether there was room; as it was when not. */
  grow(by: number, nowMs: number): boolean
  /** Gives a part back. */
  shrink(by: number): void
  /**
   * Moves it to a standing that was proven.
   * @returns false when one party of that standing may not hold as much: then all stays as it was.
   */
  promote(standing: ProvenStanding): boolean
  /** Gives it back. */
  release(): void
}

/**
 * Divides what strangers could use up: each standing has a reserved share, each holder and each address a
 * cap, and where there is no room a stranger makes it. Who goes is who has been idle for longest, where
 * everything that its holder and its address hold counts as idle, too: many idle things of one go before one
 * of many. Pure: time is an argument. Why: docs/adr/0120-budgets-for-strangers.md.
 */
export class Budget {
  readonly rules: BudgetRules
  readonly #shared: number
  readonly #leases = new Set<HeldLease>()
  readonly #byStanding: Record<Standing, number> = { node: 0, guardian: 0, owner: 0, stranger: 0 }
  readonly #byHolder = new Map<string, number>()
  readonly #byAddress = new Map<string, number>()

  constructor(rules: BudgetRules) {
    this.rules = rules
    const { node, guardian, owner } = rules.reserved
    this.#shared = rules.total - node - guardian - owner
    assert(this.#shared >= 0 && node >= 0 && guardian >= 0 && owner >= 0, 'no more is reserved than there is')
  }

  /** What all hold, and what those of one standing hold. */
  taken(standing?: Standing): number {
    const { node, guardian, owner, stranger } = this.#byStanding
    return standing === undefined ? node + guardian + owner + stranger : this.#byStanding[standing]
  }

  /** What one holder holds, under whatever standing. */
  takenBy(holder: string): number {
    return this.#byHolder.get(holder) ?? 0
  }

  /**
   * Takes `amount`. Strangers make room where there is none: `onEvict` of theirs is called, after which they
   * hold nothing.
   * @param onEvict ends what the lease is for and must not throw; null for what cannot be ended, which then
   * is never evicted.
   * @returns null when there is no room.
   */
  take(party: Party, amount: number, nowMs: number, onEvict: (() => void) | null = null): Lease | null {
    assert(amount >= 0, 'nobody takes less than nothing')
    const lease = new HeldLease(this, party, nowMs, onEvict)
    return this.grow(lease, amount, nowMs) ? lease : null
  }

  /** Moves all leases of `holder` to a standing that was proven, as far as its cap allows. */
  promote(holder: string, standing: ProvenStanding): void {
    for (const lease of this.#leases) if (lease.party.holder === holder) lease.promote(standing)
  }

  /** @internal For leases. */
  grow(lease: HeldLease, by: number, nowMs: number): boolean {
    const evicted = this.#makeRoom(lease, by, nowMs)
    if (evicted === null) return false
    for (const victim of evicted) victim.release()
    this.#leases.add(lease)
    this.#count(lease, by)
    lease.touch(nowMs)
    // Whatever these do next, everything is counted already.
    for (const victim of evicted) victim.onEvict?.()
    return true
  }

  /** @internal For leases. */
  shrink(lease: HeldLease, by: number): void {
    if (by > 0) this.#count(lease, -by)
  }

  /** @internal For leases. */
  end(lease: HeldLease): void {
    this.#leases.delete(lease)
  }

  /** @internal For leases. */
  move(lease: HeldLease, standing: ProvenStanding): boolean {
    if (lease.party.standing === standing) return true
    if (this.takenBy(lease.party.holder) > this.rules.perProven) return false
    // The shared part only gets emptier: a stranger's is all in it.
    if (lease.party.standing !== 'stranger') return false
    const { amount } = lease
    this.#count(lease, -amount)
    lease.party = { ...lease.party, standing }
    this.#count(lease, amount)
    return true
  }

  /** @returns whom to evict so that `lease` may have `by` more, or null when that cannot be. */
  #makeRoom(lease: HeldLease, by: number, nowMs: number): HeldLease[] | null {
    const { standing, holder, address } = lease.party
    const isStranger = standing === 'stranger'
    const cap = isStranger ? this.rules.perStranger : this.rules.perProven
    if (this.takenBy(holder) + by > cap) return null
    const overAddress =
      isStranger && address !== null ? (this.#byAddress.get(address) ?? 0) + by - this.rules.perAddress : 0
    const near = this.#evictable(overAddress, lease, nowMs, (party) => party.address === address)
    if (near === null) return null
    const freed = near.reduce((sum, { amount }) => sum + amount, 0)
    const over = this.#beyondReserved(standing, by) - freed - this.#shared
    const far = this.#evictable(over, lease, nowMs, () => true, near)
    return far === null ? null : [...near, ...far]
  }

  /** @returns what is taken of the shared part when those of `standing` take `by` more. */
  #beyondReserved(standing: Standing, by: number): number {
    let sum = 0
    for (const each of ['node', 'guardian', 'owner', 'stranger'] as const) {
      const held = this.#byStanding[each] + (each === standing ? by : 0)
      sum += each === 'stranger' ? held : Math.max(0, held - this.rules.reserved[each])
    }
    return sum
  }

  /**
   * @returns strangers that `among` says and that together hold `wanted`, the most idle first; null when
   * there are not enough.
   */
  #evictable(
    wanted: number,
    asker: HeldLease,
    nowMs: number,
    among: (party: Party) => boolean,
    chosen: readonly HeldLease[] = [],
  ): HeldLease[] | null {
    if (wanted <= 0) return []
    const graceMs = asker.party.standing === 'stranger' ? this.rules.graceMs : 0
    const idle: { lease: HeldLease; weight: number }[] = []
    for (const lease of this.#leases) {
      const { party, onEvict } = lease
      const idleMs = Math.max(0, nowMs - lease.activeMs)
      const isFree = onEvict !== null && party.standing === 'stranger' && lease.amount > 0
      if (!isFree || idleMs < graceMs || lease === asker || chosen.includes(lease) || !among(party)) continue
      idle.push({ lease, weight: (idleMs + 1) * this.#weightOf(party) })
    }
    return mostIdle(idle, wanted)
  }

  #weightOf({ holder, address }: Party): number {
    return this.takenBy(holder) * (address === null ? 1 : (this.#byAddress.get(address) ?? 1))
  }

  #count(lease: HeldLease, by: number): void {
    const { standing, holder, address } = lease.party
    lease.amount += by
    this.#byStanding[standing] += by
    add(this.#byHolder, holder, by)
    if (standing === 'stranger' && address !== null) add(this.#byAddress, address, by)
  }
}

class HeldLease implements Lease {
  readonly #budget: Budget
  readonly onEvict: (() => void) | null
  party: Party
  amount = 0
  activeMs: number
  #isOver = false

  constructor(budget: Budget, party: Party, nowMs: number, onEvict: (() => void) | null) {
    this.#budget = budget
    this.party = party
    this.activeMs = nowMs
    this.onEvict = onEvict
  }

  touch(nowMs: number): void {
    this.activeMs = Math.max(this.activeMs, nowMs)
  }

  grow(by: number, nowMs: number): boolean {
    assert(by >= 0, 'who grows takes more')
    return !this.#isOver && this.#budget.grow(this, by, nowMs)
  }

  shrink(by: number): void {
    assert(by >= 0, 'who shrinks gives back')
    if (!this.#isOver) this.#budget.shrink(this, Math.min(by, this.amount))
  }

  promote(standing: ProvenStanding): boolean {
    return !this.#isOver && this.#budget.move(this, standing)
  }

  release(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#budget.shrink(this, this.amount)
    this.#budget.end(this)
  }
}

/**
 * @returns the heaviest that together hold `wanted`, or null. One is the usual case: a walk for each is
 * cheaper than order among all.
 */
function mostIdle(idle: { lease: HeldLease; weight: number }[], wanted: number): HeldLease[] | null {
  const victims: HeldLease[] = []
  for (let left = wanted; left > 0; ) {
    let at = 0
    for (let each = 1; each < idle.length; each++) if (idle[each]!.weight > idle[at]!.weight) at = each
    const [most] = idle.splice(at, 1)
    if (!most) return null
    victims.push(most.lease)
    left -= most.lease.amount
  }
  return victims
}

function add(counts: Map<string, number>, key: string, by: number): void {
  const sum = (counts.get(key) ?? 0) + by
  if (sum > 0) counts.set(key, sum)
  else counts.delete(key)
}
