import { concat, equalBytes } from '../bytes.ts'
import { receiptKey } from '../chain-anchor/app/keys.ts'
import { receiptHeadValue } from '../chain-anchor/app/values.ts'
import { submitMessages } from '../chain-anchor/light/submit-messages.ts'
import { asXcareError, XcareError } from '../errors.ts'
import {
  HEADER_AGE_MS_MAX,
  RECEIPT_ANCHOR_DELAY_MS,
  RECEIPT_ANCHOR_MAX_MS,
  RECEIPTS_ANCHORED_MAX,
} from '../limits.ts'
import type { GuardianParts } from './parts.ts'

const RETRY_MS = 5_000

/** What anchoring works with. */
export type AnchorParts = Pick<
  GuardianParts,
  'network' | 'keys' | 'store' | 'ledger' | 'clock' | 'random' | 'log'
>

/** Anchors the head of the receipt chain soon after releases, and looks again from time to time in case the chain was away. */
export class ReceiptAnchor {
  readonly #parts: AnchorParts
  readonly #stop = new AbortController()
  #poked = false
  #wake: () => void = () => {}
  #running: Promise<void> | null = null

  constructor(parts: AnchorParts) {
    this.#parts = parts
  }

  /** Begins; a head that a crash left behind is anchored first. */
  start(): void {
    this.#running ??= this.#run()
  }

  /** There is a new receipt. */
  poke(): void {
    this.#poked = true
    this.#wake()
  }

  /** Ends, after what is under way. A head not anchored yet is anchored after the next start. */
  async stop(): Promise<void> {
    this.#stop.abort()
    this.#wake()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      this.#poked = false
      const done = await anchorReceipts(this.#parts).then(
        () => true,
        (error: unknown) => {
          this.#parts.log({ type: 'failed', what: 'anchor', code: asXcareError(error).code })
          return false
        },
      )
      // After a failure a poke changes nothing: only time may help.
      if (done) await this.#untilPoked()
      await this.#pause(done ? RECEIPT_ANCHOR_DELAY_MS : RETRY_MS)
    }
  }

  async #untilPoked(): Promise<void> {
    const timer = new AbortController()
    const poked = new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    if (this.#poked || this.#stop.signal.aborted) this.#wake()
    await Promise.race([
      poked,
      this.#parts.clock.sleep(RECEIPT_ANCHOR_MAX_MS / 2, timer.signal).catch(() => {}),
    ])
    timer.abort()
  }

  async #pause(durationMs: number): Promise<void> {
    await this.#parts.clock.sleep(durationMs, this.#stop.signal).catch(() => {})
  }
}

/**
 * Anchors what the chain does not have yet, some receipts at a time.
 * @throws XcareError as the ledger; INTEGRITY when the chain has others.
 */
async function anchorReceipts(parts: AnchorParts): Promise<void> {
  const { keys, store, ledger, random } = parts
  while (store.chain().count > 0) {
    const { value } = await ledger.read(receiptKey(keys.guardianId), HEADER_AGE_MS_MAX)
    const anchored = value && receiptHeadValue.decode(value)
    const from = store.chainAt(anchored?.count ?? 0)
    if (anchored && (from.count !== anchored.count || !equalBytes(from.link, anchored.head)))
      throw new XcareError(
        'INTEGRITY',
        'the chain has receipts of this guardian that its disk does not have',
        {
          next: 'restore the newest copy of its folder: this one is older',
        },
      )
    const hashes = store.receiptHashes(from.count, RECEIPTS_ANCHORED_MAX)
    if (hashes.length === 0) return
    const count = from.count + hashes.length
    const hashesOf = { from: from.count, hashes: concat(...hashes), head: store.chainAt(count).link }
    const message = { type: 'receipt.extend' as const, guardianId: keys.guardianId, ...hashesOf }
    await submitMessages({ ledger, random }, [message], [keys.signing])
    parts.log({ type: 'anchored', receipts: count })
  }
}
