import { custodyKey, recordKey } from '../chain-anchor/app/keys.ts'
import { custodyValue, recordValue } from '../chain-anchor/app/values.ts'
import { destructionFormat } from '../custody/destroy.ts'
import { asXcareError } from '../errors.ts'
import {
  HEADER_AGE_MS_MAX,
  SHARE_NEWCOMER_MS,
  SWEEP_ROUND_MS,
  SWEEP_SHARES_MAX,
  SWEEP_TURN_MS,
} from '../limits.ts'
import type { GuardianParts } from './parts.ts'
import type { ShareRow } from './store.ts'

/** What sweeping works with. */
export type SweepParts = Pick<GuardianParts, 'network' | 'keys' | 'store' | 'ledger' | 'clock' | 'log'>

type Fate =
  | { is: 'kept' }
  | { is: 'dropped' }
  | { is: 'destroyed'; cause: 'destroyed' | 'removed'; height: number }

/**
 * Looks at the chain for every share that is held, some a second, from the start on and then again and again:
 * what its owner had destroyed or removed while this guardian was away goes without anybody telling it, and
 * what never came to the chain goes after an hour.
 */
export class ShareSweep {
  readonly #parts: SweepParts
  readonly #stop = new AbortController()
  #running: Promise<void> | null = null

  constructor(parts: SweepParts) {
    this.#parts = parts
  }

  /** Begins with the first share. */
  start(): void {
    this.#running ??= this.#run()
  }

  /** Ends after the share under way. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    for (let after = 0; !signal.aborted; ) {
      const next = await sweepShares(this.#parts, after, signal).catch((error: unknown) => {
        this.#parts.log({ type: 'failed', what: 'sweep', code: asXcareError(error).code })
        return after
      })
      const isRoundOver = next === null
      after = next ?? 0
      await this.#parts.clock.sleep(isRoundOver ? SWEEP_ROUND_MS : SWEEP_TURN_MS, signal).catch(() => {})
    }
  }
}

/**
 * Looks at some shares.
 * @param after where the turn before ended, 0 at first.
 * @returns where this one ended, null behind the last share.
 * @throws XcareError as the ledger: then none of them was touched but those before.
 */
export async function sweepShares(
  parts: SweepParts,
  after: number,
  signal: AbortSignal,
): Promise<number | null> {
  const { store } = parts
  const found = store.sharesAfter(after, SWEEP_SHARES_MAX)
  for (const { row } of found) {
    if (signal.aborted) return null
    const fate = await fateOf(parts, row)
    if (fate.is === 'dropped') store.dropShare(row.objectId)
    if (fate.is === 'destroyed') store.destroyByChain(row.objectId, row.epoch, statementOf(parts, row, fate))
    if (fate.is !== 'kept') parts.log({ type: 'swept', fate: fate.is })
  }
  return found.length < SWEEP_SHARES_MAX ? null : found.at(-1)!.at
}

async function fateOf({ ledger, store, clock }: SweepParts, row: ShareRow): Promise<Fate> {
  const [record, custody] = await Promise.all([
    ledger.read(recordKey(row.objectId), HEADER_AGE_MS_MAX),
    ledger.read(custodyKey(row.objectId), HEADER_AGE_MS_MAX),
  ])
  const height = Math.min(record.height, custody.height)
  // The share came only because the chain had its custody: a chain that lost it is not one to destroy
  // anything for.
  if (!custody.value) return { is: 'kept' }
  if (custodyValue.decode(custody.value).status === 'destroyed')
    return { is: 'destroyed', cause: 'destroyed', height }
  if (record.value) {
    if (recordValue.decode(record.value).status === 'removed')
      return { is: 'destroyed', cause: 'removed', height }
    if (!row.isAnchored) store.markAnchored(row.objectId)
    return { is: 'kept' }
  }
  // Once it was seen, absence is no reason; and of what earlier versions took in nobody knows since when.
  const isLate = row.sinceMs > 0 && clock.nowMs() - row.sinceMs >= SHARE_NEWCOMER_MS
  return !row.isAnchored && isLate ? { is: 'dropped' } : { is: 'kept' }
}

function statementOf(
  { network, keys, clock }: SweepParts,
  { objectId, epoch }: ShareRow,
  { cause, height }: Extract<Fate, { is: 'destroyed' }>,
): Uint8Array {
  const { guardianId, signing } = keys
  const place = { v: 1 as const, network, guardianId, objectId, epoch }
  return destructionFormat.sign(signing, { ...place, cause, height, timeMs: clock.nowMs() })
}
