import { receiptKey } from '../chain-anchor/app/keys.ts'
import { receiptHeadValue } from '../chain-anchor/app/values.ts'
import { submitMessages } from '../chain-anchor/light/submit-messages.ts'
import { asXcareError } from '../errors.ts'
import { HEADER_AGE_MS_MAX, RECEIPT_ANCHOR_DELAY_MS, RECEIPT_ANCHOR_MAX_MS } from '../limits.ts'
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

/** Anchors the head when the chain's is behind. @returns how many receipts are anchored. @throws XcareError as the ledger. */
async function anchorReceipts(parts: AnchorParts): Promise<number> {
  const { keys, store, ledger, random } = parts
  const { count, link } = store.chain()
  if (count === 0) return 0
  const { value } = await ledger.read(receiptKey(keys.guardianId), HEADER_AGE_MS_MAX)
  if (value && receiptHeadValue.decode(value).count >= count) return count
  // The count only grows, so it serves as the number of the batch, also after a restart.
  const batch = { type: 'receipt.batch' as const, guardianId: keys.guardianId, seq: count, head: link, count }
  await submitMessages({ ledger, random }, [batch], [keys.signing])
  parts.log({ type: 'anchored', receipts: count })
  return count
}
