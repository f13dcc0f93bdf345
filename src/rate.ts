import { assert } from './assert.ts'
import type { Party, ProvenStanding } from './budget.ts'

/** So much at once, and again as it comes back. */
export interface Rate {
  perSecond: number
  burst: number
}

/** How requests, or any other amount in a time, are divided. */
export interface RateRules extends Rate {
  /** Part of the whole, 0 to 1, that is kept for each standing; the rest is for all. */
  reserved: Readonly<Record<ProvenStanding, number>>
  /** One party, and all strangers of one address, at most. */
  perHolder: Rate
  perAddress: Rate
  /** Parties and addresses that are remembered at the same time, at most. */
  remembered: number
}

interface Holder {
  own: Bucket
  /** What it took beyond its fair part of the shared bucket, and when that was reckoned. */
  owed: number
  atMs: number
  askedMs: number
}

/**
 * Budget of what comes back with time. Each standing has a reserved bucket, each party and each address of
 * strangers one of its own. Of the shared bucket the upper half is first come, the lower half goes in equal
 * parts to all who asked lately: who asks seldom gets its turn while others want more than there is. Pure:
 * time is an argument. Why: docs/adr/0120-budgets-for-strangers.md.
 */
export class RateBudget {
  readonly rules: RateRules
  readonly #shared: Bucket
  readonly #reserved: Record<ProvenStanding, Bucket>
  readonly #holders = new Map<string, Holder>()
  readonly #addresses = new Map<string, Bucket>()
  readonly #forgetMs: number

  constructor(rules: RateRules, nowMs: number) {
    const { node, guardian, owner } = rules.reserved
    const left = 1 - node - guardian - owner
    assert(left >= 0 && Math.min(node, guardian, owner) >= 0, 'no more is reserved than there is')
    assert(rules.remembered > 0, 'somebody is remembered')
    this.rules = rules
    this.#forgetMs = Math.max(...[rules, rules.perHolder].map(fullMs))
    this.#shared = new Bucket(part(rules, left), nowMs)
    const kept = (share: number) => new Bucket(part(rules, share), nowMs)
    this.#reserved = { node: kept(node), guardian: kept(guardian), owner: kept(owner) }
  }

  /** Takes `amount` now. @returns whether it may; when not, nothing was taken. */
  take(party: Party, nowMs: number, amount = 1): boolean {
    const { standing, holder: name, address } = party
    const holder = this.#holderOf(name, nowMs)
    if (!holder.own.has(amount, nowMs)) return false
    if (standing !== 'stranger' && this.#reserved[standing].take(amount, nowMs))
      return holder.own.take(amount, nowMs)
    const near = standing === 'stranger' && address !== null ? this.#addressOf(address, nowMs) : null
    if (near && !near.has(amount, nowMs)) return false
    if (!this.#shared.has(amount, nowMs) || !this.#isFair(holder, amount, nowMs)) return false
    holder.owed += amount
    this.#shared.take(amount, nowMs)
    near?.take(amount, nowMs)
    return holder.own.take(amount, nowMs)
  }

  #isFair(holder: Holder, amount: number, nowMs: number): boolean {
    const { perSecond, burst } = this.#shared.rate
    const parties = this.#holders.size
    holder.owed = Math.max(0, holder.owed - ((nowMs - holder.atMs) / 1000) * (perSecond / parties))
    holder.atMs = nowMs
    if (this.#shared.left(nowMs) - amount >= burst / 2) return true
    return holder.owed + amount <= Math.max(amount, burst / 2 / parties)
  }

  #holderOf(name: string, nowMs: number): Holder {
    const { perHolder, remembered } = this.rules
    const holder = this.#holders.get(name) ?? {
      own: new Bucket(perHolder, nowMs),
      owed: 0,
      atMs: nowMs,
      askedMs: nowMs,
    }
    holder.askedMs = Math.max(holder.askedMs, nowMs)
    refresh(this.#holders, name, holder, remembered)
    // To who asked for nothing for so long all has come back.
    for (const [other, { askedMs }] of this.#holders) {
      if (nowMs - askedMs <= this.#forgetMs) break
      this.#holders.delete(other)
    }
    return holder
  }

  #addressOf(address: string, nowMs: number): Bucket {
    const bucket = this.#addresses.get(address) ?? new Bucket(this.rules.perAddress, nowMs)
    refresh(this.#addresses, address, bucket, this.rules.remembered)
    return bucket
  }
}

/** Tokens that come back evenly, up to a burst. */
class Bucket {
  readonly rate: Rate
  #tokens: number
  #atMs: number

  constructor(rate: Rate, nowMs: number) {
    this.rate = rate
    this.#tokens = rate.burst
    this.#atMs = nowMs
  }

  left(nowMs: number): number {
    // A clock that is set back gives nothing and takes nothing.
    const passedMs = Math.max(0, nowMs - this.#atMs)
    this.#tokens = Math.min(this.rate.burst, this.#tokens + (passedMs / 1000) * this.rate.perSecond)
    this.#atMs = nowMs
    return this.#tokens
  }

  has(amount: number, nowMs: number): boolean {
    return this.left(nowMs) >= amount
  }

  take(amount: number, nowMs: number): boolean {
    if (!this.has(amount, nowMs)) return false
    this.#tokens -= amount
    return true
  }
}

/** After so long an empty bucket is full again. */
function fullMs({ perSecond, burst }: Rate): number {
  return (burst / perSecond) * 1000
}

function part({ perSecond, burst }: Rate, share: number): Rate {
  return { perSecond: perSecond * share, burst: burst * share }
}

/** Makes `key` the youngest, and forgets the oldest above `max`. */
function refresh<V>(map: Map<string, V>, key: string, value: V, max: number): void {
  map.delete(key)
  map.set(key, value)
  if (map.size <= max) return
  const oldest = map.keys().next().value
  if (oldest !== undefined) map.delete(oldest)
}
