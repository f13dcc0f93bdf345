import type { NodeValue } from '../../chain-anchor/app/values.ts'
import { asXcareError, XcareError } from '../../errors.ts'
import type { Manifest } from '../../fragment/manifest.ts'
import { KEEPER_ANSWER_MS_MAX } from '../../limits.ts'
import type { Clock, FrameStream } from '../../ports.ts'
import { NodeUpload, type StorageOrder } from '../columns/node-upload.ts'
import { checkReceipt } from '../storage-receipts.ts'

/** A storage node that keeps columns of an object, asked which of their fragments it has. */
export class AskedKeeper {
  readonly keeper: NodeValue
  /** Stripes of which it lost fragments, rising. */
  readonly lost: readonly number[]
  /** Whether it has just read its fragments, rather than looked them up. */
  readonly isRead: boolean
  readonly #upload: NodeUpload
  #isFinished = false

  /** @internal For `ask`. */
  constructor(keeper: NodeValue, upload: NodeUpload, stripes: number, isRead: boolean) {
    this.isRead = isRead
    this.keeper = keeper
    this.#upload = upload
    this.lost = Array.from({ length: stripes }, (_, stripe) => stripe).filter(
      (stripe) => upload.lacking(stripe).length > 0,
    )
  }

  /**
   * Asks on a stream that `dial` opens: the node reads every fragment from its disk before it says that it is
   * there. One of an older version, which cannot, says what it believes to have.
   * @param order for all columns that the keeper must have.
   * @throws XcareError TIMEOUT when nothing came for KEEPER_ANSWER_MS_MAX; OFFLINE and what the node answers.
   */
  static async ask(
    clock: Clock,
    keeper: NodeValue,
    order: StorageOrder,
    dial: () => Promise<FrameStream>,
  ): Promise<AskedKeeper> {
    try {
      return await askOnce(clock, keeper, order, dial, true)
    } catch (error) {
      if (asXcareError(error).code !== 'MALFORMED') throw error
      return askOnce(clock, keeper, order, dial, false)
    }
  }

  /** Columns that it must have, rising. */
  get columns(): readonly number[] {
    return this.#upload.columns
  }

  /** Those of its columns of which it lost the fragment of `stripe`. */
  lacking(stripe: number): number[] {
    return this.#upload.lacking(stripe)
  }

  /** Sends what it lost of one stripe. @param made the fragments, by column. @throws XcareError as NodeUpload.send. */
  async send(stripe: number, made: ReadonlyMap<number, Uint8Array>): Promise<void> {
    const fragments = this.columns.map((column) => made.get(column) ?? null)
    await this.#upload.send([{ stripe, fragments }])
  }

  /** Hands over the manifest and checks the receipt for all columns. @throws XcareError INTEGRITY on a wrong one; what the node answers. */
  async finish(manifest: Manifest, encoded: Uint8Array): Promise<void> {
    const receipt = await this.#upload.finish(encoded)
    this.#isFinished = true
    checkReceipt(receipt, manifest, this.columns, this.keeper)
  }

  /** Ends the stream, unless it ends by itself after a receipt. */
  abort(reason: XcareError): void {
    if (!this.#isFinished) this.#upload.abort(reason)
  }
}

async function askOnce(
  clock: Clock,
  keeper: NodeValue,
  order: StorageOrder,
  dial: () => Promise<FrameStream>,
  isRead: boolean,
): Promise<AskedKeeper> {
  const tooLate = new XcareError('TIMEOUT', `storage node ${keeper.nodeId} did not answer in time`)
  const patience = new Patience(clock, tooLate)
  let upload: NodeUpload | null = null
  try {
    upload = new NodeUpload(await stillWanted(dial(), patience.isOver, tooLate), order, clock)
    const begun = isRead ? upload.beginVerified(() => patience.anew()) : upload.begin()
    await Promise.race([begun, patience.isOver])
    return new AskedKeeper(keeper, upload, order.stripes, isRead)
  } catch (error) {
    upload?.abort(asXcareError(error))
    throw error
  } finally {
    patience.end()
  }
}

/** Waits KEEPER_ANSWER_MS_MAX for a sign of life, and for the next one as long again. */
class Patience {
  /** Rejects when nothing came for too long. */
  readonly isOver: Promise<never>
  readonly #clock: Clock
  readonly #fail: () => void
  #waiting = new AbortController()

  constructor(clock: Clock, tooLate: XcareError) {
    this.#clock = clock
    const { promise, reject } = Promise.withResolvers<never>()
    this.isOver = promise
    this.#fail = () => reject(tooLate)
    // Whoever waits for it hears of it; after the answer nobody does.
    promise.catch(() => {})
    this.anew()
  }

  anew(): void {
    this.end()
    this.#waiting = new AbortController()
    this.#clock.sleep(KEEPER_ANSWER_MS_MAX, this.#waiting.signal).then(this.#fail, () => {})
  }

  end(): void {
    this.#waiting.abort()
  }
}

/** @returns the stream; one that is opened after the time was over is closed again. */
async function stillWanted(
  dialled: Promise<FrameStream>,
  outOfTime: Promise<never>,
  tooLate: XcareError,
): Promise<FrameStream> {
  try {
    return await Promise.race([dialled, outOfTime])
  } catch (error) {
    if (error === tooLate)
      dialled.then(
        (stream) => stream.abort(tooLate),
        () => {},
      )
    throw error
  }
}
