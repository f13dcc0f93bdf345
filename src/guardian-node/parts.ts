import type { ReleaseLimits } from '../custody/release/checks.ts'
import type { RefusalReason } from '../custody/release/refusal.ts'
import type { Clock, Ledger, Random } from '../ports.ts'
import type { GuardianKeys } from './keys.ts'
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
  | { type: 'failed'; what: 'anchor' | 'notice' | 'view' | 'request' | 'stream'; code: string }

/** A refusal on its way to the asker. */
export class Refusal extends Error {
  readonly reason: RefusalReason

  /** @param reason one of the closed list; the asker sees it. */
  constructor(reason: RefusalReason) {
    super(reason)
    this.reason = reason
  }
}
