import { Budget, type Lease } from '../budget.ts'

const MINUTE_MS = 60_000

/**
 * Whose release it is: of a share that is held here for long, or of one that anybody could have brought just
 * now.
 */
export type ReleaseStanding = 'owner' | 'stranger'

/**
 * Divides the releases of a minute. Half of them are for shares that are held here for long, which nobody can
 * make today; and no grantee gets more than what is left for the others, so that who comes next finds as much
 * as each of those before has. Why: docs/adr/0125-strangers-at-a-guardian.md.
 */
export class ReleaseShares {
  readonly #budget: Budget
  readonly #total: number
  readonly #reserved: number
  /** In order of time. */
  readonly #given: { lease: Lease; atMs: number }[] = []

  /** @param minuteMax releases of this guardian in a minute. */
  constructor(minuteMax: number) {
    this.#total = minuteMax
    this.#reserved = Math.floor(minuteMax / 2)
    this.#budget = new Budget({
      total: minuteMax,
      reserved: { node: 0, guardian: 0, owner: this.#reserved },
      ...{ perStranger: minuteMax, perProven: minuteMax, perAddress: minuteMax },
      graceMs: MINUTE_MS,
    })
  }

  /** @param grantee hash of the grantee's key, in hex. @returns whether one more release to it fits now. */
  hasRoom(grantee: string, standing: ReleaseStanding, nowMs: number): boolean {
    this.#forget(nowMs)
    return this.#budget.takenBy(grantee) < this.#left(standing)
  }

  /** Counts a release. @returns false when it no longer fits. */
  take(grantee: string, standing: ReleaseStanding, nowMs: number): boolean {
    if (!this.hasRoom(grantee, standing, nowMs)) return false
    const lease = this.#budget.take({ standing, holder: grantee, address: null }, 1, nowMs)
    if (lease) this.#given.push({ lease, atMs: nowMs })
    return lease !== null
  }

  #left(standing: ReleaseStanding): number {
    const [owners, strangers] = [this.#budget.taken('owner'), this.#budget.taken('stranger')]
    if (standing === 'owner') return this.#total - owners - strangers
    return this.#total - this.#reserved - strangers - Math.max(0, owners - this.#reserved)
  }

  #forget(nowMs: number): void {
    while (this.#given.length > 0 && this.#given[0]!.atMs <= nowMs - MINUTE_MS)
      this.#given.shift()!.lease.release()
  }
}
