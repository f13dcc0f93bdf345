/**
 * Why a transaction was refused. The numbers enter the results hash of a block and never change.
 * Source: docs/spec/transaction.md 5.
 */
export const TX_CODE = {
  ok: 0,
  malformed: 1,
  signature: 2,
  wrongChain: 3,
  expired: 4,
  repeated: 5,
  unauthorised: 6,
  unknown: 7,
  conflict: 8,
  invalid: 9,
  full: 10,
} as const

/** Name of one way to refuse. */
export type TxCodeName = keyof typeof TX_CODE

/** A refusal: `log` is one sentence for people and does not enter any hash. */
export interface Refusal {
  code: number
  log: string
}

/** What a rule says: null when it has nothing against it. */
export type Verdict = Refusal | null

/** @returns a refusal named `name`. */
export function refuse(name: Exclude<TxCodeName, 'ok'>, log: string): Refusal {
  return { code: TX_CODE[name], log }
}

/** @returns the first refusal among `rules`, which are asked in order, or null. */
export function firstRefusal(...rules: (() => Verdict)[]): Verdict {
  for (const rule of rules) {
    const verdict = rule()
    if (verdict) return verdict
  }
  return null
}
