import { asXcareError, XcareError } from '../../errors.ts'
import type { Profile } from '../../fragment/profile.ts'
import type { StripeFragments } from '../../fragment/writer.ts'
import { STRAGGLER_MS_MAX } from '../../limits.ts'
import type { Clock, PeerAddress, Progress, Transport } from '../../ports.ts'
import { FRAGMENT_PROTOCOL, type MessageOf } from '../../wire/fragment-protocol.ts'
import { ColumnUpload } from './column-upload.ts'

const DIAL_MS_MAX = 5_000
/** Part of the time a put has taken that it may have spent waiting for stragglers, beside STRAGGLER_MS_MAX. */
const WAITING_SHARE = 0.25

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

type Step = (column: number, upload: ColumnUpload) => Promise<void>

/** All columns of one object on their way to their nodes. A node that fails is dropped as long as `target` columns remain. */
export class ColumnUploads {
  readonly #ports: UploadPorts
  readonly #profile: Profile
  readonly #live = new Map<number, ColumnUpload>()
  readonly #underWay: { stripe: number; bytes: Uint8Array }[] = []
  readonly #problems: { node: string; error: XcareError }[] = []
  readonly #startedMs: number
  #waitedMs = 0

  private constructor(ports: UploadPorts, profile: Profile) {
    this.#ports = ports
    this.#profile = profile
    this.#startedMs = ports.clock.nowMs()
  }

  /** Opens all columns at once. @throws XcareError TOO_FEW_NODES, NO_SPACE when fewer than `target` nodes accept. */
  static async open(ports: UploadPorts, profile: Profile, targets: ColumnTarget[]): Promise<ColumnUploads> {
    const uploads = new ColumnUploads(ports, profile)
    const orders = new Map(targets.map(({ column, order }) => [column, order]))
    await Promise.all(targets.map((target) => uploads.#dial(target)))
    await uploads.#untilTarget((column, upload) => upload.begin(orders.get(column)!))
    return uploads
  }

  /**
   * Sends the fragments of one stripe to all live nodes. Resolves when the next stripe may follow.
   * @returns buffers of earlier stripes that are durable on every live node and may be used again.
   */
  async send({ stripe, bytes }: StripeFragments): Promise<Uint8Array[]> {
    this.#underWay.push({ stripe, bytes })
    const size = bytes.length / this.#profile.n
    await this.#untilTarget((column, upload) =>
      upload.send(stripe, bytes.subarray(column * size, (column + 1) * size)),
    )
    return this.#settled(stripe + 1)
  }

  #settled(next: number): Uint8Array[] {
    const oldest = Math.min(next, ...[...this.#live.values()].map((upload) => upload.oldestUnderWay(next)))
    const count = this.#underWay.findIndex(({ stripe }) => stripe >= oldest)
    return this.#underWay.splice(0, count < 0 ? this.#underWay.length : count).map(({ bytes }) => bytes)
  }

  /**
   * Ends all columns with the manifest.
   * @param check throws when a receipt is not what the keeper of the column must sign; the node is then dropped and named.
   * @returns the columns with a good receipt, sorted; at least `target`.
   */
  async finish(
    manifest: Uint8Array,
    check: (column: number, receipt: MessageOf<'RECEIPT'>) => void,
  ): Promise<number[]> {
    await this.#untilTarget(async (column, upload) => check(column, await upload.finish(manifest)))
    return [...this.#live.keys()].sort((a, b) => a - b)
  }

  /** Tears every stream down. */
  abort(reason: Error): void {
    for (const upload of this.#live.values()) upload.abort(reason)
    this.#live.clear()
  }

  async #dial({ column, peer }: ColumnTarget): Promise<void> {
    try {
      const signal = AbortSignal.timeout(DIAL_MS_MAX)
      const stream = await this.#ports.transport.open(peer, FRAGMENT_PROTOCOL, signal)
      this.#live.set(column, new ColumnUpload(stream))
    } catch (error) {
      this.#dropped(column, peer.nodeId, asXcareError(error))
    }
  }

  /** Takes one step with every live node: waits for all, but once `target` have taken it, no longer than stragglers may take. */
  async #untilTarget(step: Step): Promise<void> {
    const { clock } = this.#ports
    const waiting = new Set(this.#live.keys())
    const over = Promise.withResolvers<void>()
    const timer = new AbortController()
    let enoughMs: number | null = null
    const check = () => {
      if (waiting.size === 0 || this.#live.size < this.#profile.target) over.resolve()
      else if (enoughMs === null && this.#live.size - waiting.size >= this.#profile.target) {
        enoughMs = clock.nowMs()
        clock.sleep(this.#patienceMs(enoughMs), timer.signal).then(over.resolve, () => {})
      }
    }
    for (const [column, upload] of [...this.#live])
      void this.#guard(column, upload, step).then(() => {
        waiting.delete(column)
        check()
      })
    check()
    await over.promise
    timer.abort()
    if (enoughMs !== null) this.#waitedMs += clock.nowMs() - enoughMs
    this.#requireTarget()
    for (const column of waiting) this.#leaveBehind(column)
  }

  #patienceMs(nowMs: number): number {
    const leftMs = STRAGGLER_MS_MAX + (nowMs - this.#startedMs) * WAITING_SHARE - this.#waitedMs
    return Math.min(STRAGGLER_MS_MAX, Math.max(0, leftMs))
  }

  async #guard(column: number, upload: ColumnUpload, step: Step): Promise<void> {
    try {
      await step(column, upload)
    } catch (error) {
      if (this.#live.get(column) === upload) this.#drop(column, upload, asXcareError(error))
    }
  }

  #leaveBehind(column: number): void {
    const upload = this.#live.get(column)
    if (!upload) return
    this.#drop(column, upload, new XcareError('TIMEOUT', `storage node ${upload.node} was too slow`))
  }

  #drop(column: number, upload: ColumnUpload, error: XcareError): void {
    this.#live.delete(column)
    upload.abort(error)
    this.#dropped(column, upload.node, error)
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
    this.abort(new XcareError('INTERRUPTED', 'the put was given up'))
    throw new XcareError(
      this.#codeOf(n - target),
      `only ${taking} of ${n} storage nodes take the record, and ${target} are needed${reason}`,
      { next: 'see who is there with `npx xcare status`; nothing was stored', cause: error },
    )
  }

  /** Full disks, or lies, are what it is called when they alone are more than the profile can spare. */
  #codeOf(spare: number): 'NO_SPACE' | 'INTEGRITY' | 'TOO_FEW_NODES' {
    const count = (...codes: string[]) =>
      this.#problems.filter(({ error }) => codes.includes(error.code)).length
    if (count('QUOTA_FULL', 'NO_SPACE') > spare) return 'NO_SPACE'
    return count('INTEGRITY') > spare ? 'INTEGRITY' : 'TOO_FEW_NODES'
  }
}
