import type { Commit, Header, Validator } from '../comet/types.ts'

/** A header with its commit, not verified. */
export interface SignedHeader {
  header: Header
  commit: Commit
}

/** Answer to a state query, not verified. */
export interface QueryAnswer {
  /** Null when the answer has none. */
  value: Uint8Array | null
  /** Proof bytes of the first operation of type `xcare:smt`, or null. */
  proof: Uint8Array | null
}

/**
 * One way to reach the chain. Nothing it says is believed. Every method throws XcareError OFFLINE when it cannot be
 * reached, TIMEOUT after its deadline, MALFORMED on a wrong or oversized answer, REFUSED on an error of the chain.
 */
export interface Endpoint {
  /** For messages and logs. */
  readonly name: string
  /** Header and commit at `height`, or the newest for null. @throws XcareError also NOT_FOUND when that height is not there. */
  signedHeader(height: number | null): Promise<SignedHeader>
  /** All validators of `height`, in the order of ValidatorsHash. */
  validators(height: number): Promise<Validator[]>
  /** Asks the application: `path` with `data`, at state `height` (0 for the newest). @throws XcareError also NOT_FOUND */
  query(path: string, data: Uint8Array, height: number): Promise<QueryAnswer>
  /** Sends a transaction and waits until it is in a block. @returns the claimed height of that block. */
  submit(tx: Uint8Array): Promise<{ height: number }>
}
