import { toHex } from '../bytes.ts'
import type { ReleaseLimits } from '../custody/release/checks.ts'
import type { RefusalReason } from '../custody/release/refusal.ts'
import { NONCE_KEPT_MS, QUESTION_NONCES_MAX } from '../limits.ts'
import type { Clock, Ledger, Random } from '../ports.ts'
import type { GuardianKeys } from './keys.ts'
import type { ReleaseShares } from './release-shares.ts'
import type { GuardianStore } from './store.ts'

/** What every request handler of a guardian works with. */
export interface GuardianParts {
  /** Chain id. */
  network: string
  keys: GuardianKeys
  store: GuardianStore
  /** The guardian's own light client; nothing the asker says replaces it. */
  ledger: Ledger
  clock: Clock
  random: Random
  limits: ReleaseLimits
  /** Whose turn it is for the releases of a minute. */
  shares: ReleaseShares
  /** Nonces of questions: who asks again gets nothing that it did not have. */
  questions: UsedNonces
  /** Called after each durable receipt; must not throw. */
  released(receipt: Uint8Array, objectId: Uint8Array): void
  /** Writes one line of the log: words and counts only, nothing from a request. Must not throw. */
  log(event: GuardianEvent): void
}

/** What a guardian writes to its log: nothing else can be logged. */
export type GuardianEvent =
  | { type: 'refused'; request: string; reason: RefusalReason }
  | { type: 'served'; request: string }
  | { type: 'anchored'; receipts: number }
  | { type: 'swept'; fate: 'dropped' | 'destroyed' }
  | { type: 'failed'; what: 'anchor' | 'notice' | 'view' | 'request' | 'stream' | 'sweep'; code: string }

/** A refusal on its way to the asker. */
export class Refusal extends Error {
  readonly reason: RefusalReason

  /** @param reason one of the closed list; the asker sees it. */
  constructor(reason: RefusalReason) {
    super(reason)
    this.reason = reason
  }
}

/**
 * Nonces of questions, in memory: a question that is asked again only tells its own asker once more, so none
 * is worth a sync of the disk.
 */
export class UsedNonces {
  /** By time, oldest first. */
  readonly #used = new Map<string, number>()

  /** @returns whether the nonce was still unused. */
  use(nonce: Uint8Array, nowMs: number): boolean {
    for (const [name, atMs] of this.#used) {
      if (atMs >= nowMs - NONCE_KEPT_MS && this.#used.size < QUESTION_NONCES_MAX) break
      this.#used.delete(name)
    }
    const name = toHex(nonce)
    if (this.#used.has(name)) return false
    this.#used.set(name, nowMs)
    return true
  }
}
