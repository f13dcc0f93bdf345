import { asXcareError, XcareError } from '../errors.ts'
import type { Profile } from '../fragment/profile.ts'
import type { StripeFragments } from '../fragment/writer.ts'
import type { Clock, PeerAddress, Progress, Transport } from '../ports.ts'
import { FRAGMENT_PROTOCOL, type MessageOf } from '../wire/fragment-protocol.ts'
import { ColumnUpload } from './column-upload.ts'

const DIAL_MS_MAX = 5_000
/** A node that keeps everyone waiting for so long is left behind once enough others are there. */
const STRAGGLER_MS_MAX = 8_000

/** What sending fragments needs of the world. */
export interface UploadPorts {
  transport: Transport
  clock: Clock
  progress: Progress
}

/** Who keeps which column, and the signed order for each. */
export interface ColumnTarget {
  column: number
  peer: PeerAddress
  order: Omit<MessageOf<'OPEN_PUT'>, 'op'>
}

/** All columns of one object on their way to their nodes. A node that fails is dropped as long as `target` columns remain. */
export class ColumnUploads {
  readonly #ports: UploadPorts
  readonly #profile: Profile
  readonly #live = new Map<number, ColumnUpload>()
  readonly #underWay: { stripe: number; bytes: Uint8Array }[] = []
  readonly #problems: { node: string; error: XcareError }[] = []

  private constructor(ports: UploadPorts, profile: Profile) {
    this.#ports = ports
    this.#profile = profile
  }

  /** Opens all columns at once. @throws XcareError TOO_FEW_NODES when fewer than `target` nodes accept. */
  static async open(ports: UploadPorts, profile: Profile, targets: ColumnTarget[]): Promise<ColumnUploads> {
    const uploads = new ColumnUploads(ports, profile)
    await Promise.all(targets.map((target) => uploads.#open(target)))
    uploads.#requireTarget()
    return uploads
  }

  /**
   * Sends the fragments of one stripe to all live nodes. Resolves when the next stripe may follow.
   * @returns buffers of earlier stripes that are durable on every live node and may be used again.
   */
  async send({ stripe, bytes }: StripeFragments): Promise<Uint8Array[]> {
    this.#underWay.push({ stripe, bytes })
    const size = bytes.length / this.#profile.n
    const sending = [...this.#live].map(([column, upload]) => {
      const fragment = bytes.subarray(column * size, (column + 1) * size)
      return this.#guard(column, upload, () => upload.send(stripe, fragment))
    })
    await this.#untilTarget(sending)
    return this.#settled(stripe + 1)
  }

  #settled(next: number): Uint8Array[] {
    const oldest = Math.min(next, ...[...this.#live.values()].map((upload) => upload.oldestUnderWay(next)))
    const count = this.#underWay.findIndex(({ stripe }) => stripe >= oldest)
    return this.#underWay.splice(0, count < 0 ? this.#underWay.length : count).map(({ bytes }) => bytes)
  }

  /** Ends all columns with the manifest. @returns the receipts, by column; at least `target`. */
  async finish(manifest: Uint8Array): Promise<Map<number, MessageOf<'RECEIPT'>>> {
    const receipts = new Map<number, MessageOf<'RECEIPT'>>()
    const ending = [...this.#live].map(([column, upload]) =>
      this.#guard(column, upload, async () => {
        receipts.set(column, await upload.finish(manifest))
      }),
    )
    await this.#untilTarget(ending)
    return receipts
  }

  /** Tears every stream down. */
  abort(reason: Error): void {
    for (const upload of this.#live.values()) upload.abort(reason)
    this.#live.clear()
  }

  async #open({ column, peer, order }: ColumnTarget): Promise<void> {
    try {
      const signal = AbortSignal.timeout(DIAL_MS_MAX)
      const stream = await this.#ports.transport.open(peer, FRAGMENT_PROTOCOL, signal)
      this.#live.set(column, await ColumnUpload.open(stream, order))
    } catch (error) {
      this.#dropped(column, peer.nodeId, asXcareError(error))
    }
  }

  async #guard(column: number, upload: ColumnUpload, step: () => Promise<void>): Promise<void> {
    try {
      await step()
    } catch (error) {
      if (this.#live.get(column) !== upload) return
      this.#live.delete(column)
      upload.abort(asXcareError(error))
      this.#dropped(column, upload.node, asXcareError(error))
    }
  }

  /** Waits for all steps, or for `target` of them and then no longer than a straggler may take. */
  async #untilTarget(steps: Promise<void>[]): Promise<void> {
    const before = [...this.#live]
    const waiting = new Set(steps.keys())
    const all = Promise.all(steps.map((step, at) => step.then(() => waiting.delete(at))))
    const done = new AbortController()
    const patience = this.#ports.clock.sleep(STRAGGLER_MS_MAX, done.signal).catch(() => {})
    await Promise.race([all, patience])
    done.abort()
    if (waiting.size > 0 && this.#live.size - waiting.size >= this.#profile.target)
      for (const at of waiting) this.#leaveBehind(...before[at]!)
    if (waiting.size > 0) await all
    this.#requireTarget()
  }

  #leaveBehind(column: number, upload: ColumnUpload): void {
    const late = new XcareError('TIMEOUT', `storage node ${upload.node} was too slow`)
    this.#live.delete(column)
    upload.abort(late)
    this.#dropped(column, upload.node, late)
  }

  #dropped(column: number, node: string, error: XcareError): void {
    this.#problems.push({ node, error })
    this.#ports.progress({ type: 'column-dropped', column, node, code: error.code, message: error.message })
  }

  #requireTarget(): void {
    const { target, n } = this.#profile
    if (this.#live.size >= target) return
    const error = this.#problems[0]?.error ?? null
    const taking = this.#live.size
    const reason = error ? ` (${error.message})` : ''
    const full = this.#problems.filter(({ error: { code } }) => code === 'QUOTA_FULL' || code === 'NO_SPACE')
    this.abort(new XcareError('INTERRUPTED', 'the put was given up'))
    throw new XcareError(
      full.length > n - target ? 'NO_SPACE' : 'TOO_FEW_NODES',
      `only ${taking} of ${n} storage nodes take the record, and ${target} are needed${reason}`,
      { next: 'see who is there with `npx xcare status`; nothing was stored', cause: error },
    )
  }
}
