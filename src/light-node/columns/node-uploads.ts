import { asXcareError, XcareError } from '../../errors.ts'
import type { Profile } from '../../fragment/profile.ts'
import type { StripeFragments } from '../../fragment/writer.ts'
import { HEDGE_MS, STRAGGLER_MS_MAX } from '../../limits.ts'
import type { Clock, PeerAddress, Progress, Transport } from '../../ports.ts'
import { FRAGMENT_PROTOCOL, type MessageOf } from '../../wire/fragment-protocol.ts'
import { NodeUpload, type StorageOrder } from './node-upload.ts'

const DIAL_MS_MAX = 5_000
/** Nodes whose reasons an error tells, at most. */
const NAMED_MAX = 3
/** Why a timer ends: without a reason each end would make an error with a stack. */
const OVER = 'over'
/** Part of the time a put has taken that it may have spent waiting for stragglers, beside STRAGGLER_MS_MAX. */
const WAITING_SHARE = 0.25

/** What sending fragments needs of the world. */
export interface UploadPorts {
  transport: Transport
  clock: Clock
  progress: Progress
}

/** A node with the columns it is to keep. */
export interface UploadTarget {
  peer: PeerAddress
  /** Rising. */
  columns: readonly number[]
  /** @returns the order for them. It is signed when the node is reached, as a dozen signatures at once keep a thread busy. */
  signOrder(): StorageOrder
}

interface UnderWay {
  stripe: number
  bytes: Uint8Array
  /** A stream that was torn down may still read from it. */
  isLost: boolean
}

type Step = (target: UploadTarget, upload: NodeUpload) => Promise<void>

/** All columns of one object on their way to their nodes. A node that fails is dropped as long as `target` columns remain. */
export class NodeUploads {
  readonly #ports: UploadPorts
  readonly #profile: Profile
  readonly #live = new Map<UploadTarget, NodeUpload>()
  readonly #underWay: UnderWay[] = []
  /** Ends of streams that were torn down, by when nothing is read from memory for them. */
  readonly #flushing: Promise<void>[] = []
  readonly #problems: { target: UploadTarget; error: XcareError }[] = []
  readonly #sentTo = new Set<UploadTarget>()
  readonly #startedMs: number
  #waitedMs = 0

  private constructor(ports: UploadPorts, profile: Profile) {
    this.#ports = ports
    this.#profile = profile
    this.#startedMs = ports.clock.nowMs()
  }

  /**
   * Opens all nodes at once.
   * @param isSmall whether sending everything costs no more than asking first: then orders go with the first fragments.
   * @throws XcareError TOO_FEW_NODES, NO_SPACE when nodes with fewer than `target` columns accept.
   */
  static async open(
    ports: UploadPorts,
    profile: Profile,
    targets: UploadTarget[],
    isSmall: boolean,
  ): Promise<NodeUploads> {
    const uploads = new NodeUploads(ports, profile)
    await Promise.all(targets.map((target) => uploads.#dial(target)))
    if (isSmall) for (const upload of uploads.#live.values()) upload.beginWithFragments()
    else await uploads.#untilTarget((_, upload) => upload.begin())
    uploads.#requireTarget()
    return uploads
  }

  /**
   * Sends the fragments of some stripes, in order, to all live nodes. Resolves when the next ones may follow.
   * @returns buffers of earlier stripes that are durable on every live node, and that nothing reads any more: they may be used again.
   */
  async send(stripes: readonly StripeFragments[]): Promise<Uint8Array[]> {
    for (const { stripe, bytes } of stripes) this.#underWay.push({ stripe, bytes, isLost: false })
    for (const target of this.#live.keys()) this.#sentTo.add(target)
    await this.#untilTarget((_, upload) =>
      upload.send(
        stripes.map(({ stripe, bytes }) => {
          const size = bytes.length / this.#profile.n
          const fragments = upload.columns.map((column) => bytes.subarray(column * size, (column + 1) * size))
          return { stripe, fragments }
        }),
      ),
    )
    return this.#settled((stripes.at(-1)?.stripe ?? -1) + 1)
  }

  /**
   * Ends all columns with the manifest.
   * @param check throws when a receipt is not what the keeper of the columns must sign; the node is then dropped and named.
   * @returns the columns with a good receipt, rising; at least `target`.
   */
  async finish(
    manifest: Uint8Array,
    check: (columns: readonly number[], receipt: MessageOf<'RECEIPT'>) => void,
  ): Promise<number[]> {
    await this.#untilTarget(async (_, upload) => check(upload.columns, await upload.finish(manifest)))
    return [...this.#live.values()].flatMap(({ columns }) => columns).sort((a, b) => a - b)
  }

  /** Nodes that may have fragments of the object, also those that were dropped since. */
  get sentTo(): readonly UploadTarget[] {
    return [...this.#sentTo]
  }

  /** Nodes that were dropped, with the reason. */
  get dropped(): readonly { target: UploadTarget; error: XcareError }[] {
    return this.#problems
  }

  /** Tears every stream down. */
  abort(reason: Error): void {
    for (const upload of this.#live.values()) this.#tearDown(upload, reason)
    this.#live.clear()
  }

  /** Resolves when, of what was sent to nodes that were dropped, nothing is read from memory any more. */
  async flushed(): Promise<void> {
    await Promise.all(this.#flushing)
  }

  #settled(next: number): Uint8Array[] {
    const oldest = Math.min(next, ...[...this.#live.values()].map((upload) => upload.oldestUnderWay(next)))
    const count = this.#underWay.findIndex(({ stripe }) => stripe >= oldest)
    const settled = this.#underWay.splice(0, count < 0 ? this.#underWay.length : count)
    return settled.flatMap(({ bytes, isLost }) => (isLost ? [] : [bytes]))
  }

  async #dial(target: UploadTarget): Promise<void> {
    try {
      const signal = AbortSignal.timeout(DIAL_MS_MAX)
      const stream = await this.#ports.transport.open(target.peer, FRAGMENT_PROTOCOL, signal)
      this.#live.set(target, new NodeUpload(stream, target.signOrder(), this.#ports.clock))
    } catch (error) {
      this.#dropped(target, asXcareError(error))
    }
  }

  /**
   * Takes one step with every live node: waits for all, but once `target` columns have taken it, no longer
   * than stragglers may take. Whoever gives no sign of life for as long as most others took, and
   * STRAGGLER_MS_MAX at least, is left behind in any case.
   */
  async #untilTarget(step: Step): Promise<void> {
    const { clock } = this.#ports
    const { target } = this.#profile
    const waiting = new Set(this.#live.keys())
    const over = Promise.withResolvers<void>()
    const timer = new AbortController()
    const after = (durationMs: number, then: () => void) =>
      clock.sleep(durationMs, timer.signal).then(then, () => {})
    const beganMs = clock.nowMs()
    let enoughMs: number | null = null
    let isMost = false
    let isFailing = false
    const watchSilent = (patienceMs: number) => {
      const nowMs = clock.nowMs()
      for (const one of waiting) {
        const upload = this.#live.get(one)
        if (upload && upload.silentMs(nowMs) >= patienceMs)
          this.#drop(one, upload, new XcareError('TIMEOUT', `storage node ${upload.node} says nothing`))
      }
      if (waiting.size > 0) after(HEDGE_MS, () => watchSilent(patienceMs))
    }
    const check = () => {
      const live = this.#columnsOf(this.#live.keys())
      const taken = live - this.#columnsOf(waiting)
      if (waiting.size === 0) return over.resolve()
      if (live < target) {
        // What the others say is told as well, so that the reason is the true one.
        if (!isFailing) after(HEDGE_MS, over.resolve)
        isFailing = true
      } else if (enoughMs === null && taken >= target) {
        enoughMs = clock.nowMs()
        after(this.#patienceMs(enoughMs), over.resolve)
      } else if (!isMost && taken * 2 >= live) {
        isMost = true
        const patienceMs = Math.max(STRAGGLER_MS_MAX, clock.nowMs() - beganMs)
        after(patienceMs, () => watchSilent(patienceMs))
      }
    }
    for (const [one, upload] of [...this.#live])
      void this.#guard(one, upload, step).then(() => {
        waiting.delete(one)
        check()
      })
    check()
    await over.promise
    timer.abort(OVER)
    if (enoughMs !== null) this.#waitedMs += clock.nowMs() - enoughMs
    this.#requireTarget()
    for (const one of waiting) this.#leaveBehind(one)
  }

  #columnsOf(targets: Iterable<UploadTarget>): number {
    let columns = 0
    for (const target of targets) columns += target.columns.length
    return columns
  }

  #patienceMs(nowMs: number): number {
    const leftMs = STRAGGLER_MS_MAX + (nowMs - this.#startedMs) * WAITING_SHARE - this.#waitedMs
    return Math.min(STRAGGLER_MS_MAX, Math.max(0, leftMs))
  }

  async #guard(target: UploadTarget, upload: NodeUpload, step: Step): Promise<void> {
    try {
      await step(target, upload)
    } catch (error) {
      if (this.#live.get(target) === upload) this.#drop(target, upload, asXcareError(error))
    }
  }

  #leaveBehind(target: UploadTarget): void {
    const upload = this.#live.get(target)
    if (!upload) return
    this.#drop(target, upload, new XcareError('TIMEOUT', `storage node ${upload.node} was too slow`))
  }

  #drop(target: UploadTarget, upload: NodeUpload, error: XcareError): void {
    this.#live.delete(target)
    this.#tearDown(upload, error)
    this.#dropped(target, error)
  }

  #tearDown(upload: NodeUpload, reason: Error): void {
    const oldest = upload.oldestUnderWay(Number.POSITIVE_INFINITY)
    for (const underWay of this.#underWay) if (underWay.stripe >= oldest) underWay.isLost = true
    upload.abort(reason)
    this.#flushing.push(upload.flushed())
  }

  #dropped(target: UploadTarget, error: XcareError): void {
    this.#problems.push({ target, error })
    const { code, message } = error
    const { columns } = target
    this.#ports.progress({ type: 'node-dropped', node: target.peer.nodeId, columns, code, message })
  }

  #requireTarget(): void {
    const taking = this.#columnsOf(this.#live.keys())
    if (taking >= this.#profile.target) return
    this.abort(new XcareError('INTERRUPTED', 'the put was given up'))
    throw tooFewTake(taking, this.#profile, this.#problems)
  }
}

/** @returns the error for a put whose columns find too few nodes: who did not take theirs, and why. */
function tooFewTake(
  taking: number,
  { target, n }: Profile,
  problems: readonly { target: UploadTarget; error: XcareError }[],
): XcareError {
  const code = codeOf(problems, n - target)
  const named = problems.slice(0, NAMED_MAX).map(({ target: { peer }, error }) => {
    const message = error.message.replace(`storage node ${peer.nodeId} `, '')
    return `${peer.nodeId}: ${message}`
  })
  const more = problems.length - named.length
  const reasons = [...named, ...(more > 0 ? [`${more} more`] : [])].join('; ')
  const next =
    code === 'QUOTA_FULL' || code === 'NO_SPACE'
      ? 'run it again when these storage nodes have room, or more of them are there: `npx xcare status`'
      : 'see who is there with `npx xcare status`, and run it again'
  return new XcareError(
    code,
    `only ${taking} of ${n} columns find a storage node that takes them, and ${target} are needed (${reasons})`,
    { next, cause: problems[0]?.error },
  )
}

/** Full disks, or lies, are what it is called when they alone are more than the profile can spare. */
function codeOf(
  problems: readonly { target: UploadTarget; error: XcareError }[],
  spare: number,
): 'QUOTA_FULL' | 'NO_SPACE' | 'INTEGRITY' | 'TOO_FEW_NODES' {
  const count = (...codes: string[]) =>
    problems
      .filter(({ error }) => codes.includes(error.code))
      .reduce((sum, { target: { columns } }) => sum + columns.length, 0)
  if (count('QUOTA_FULL', 'NO_SPACE') > spare)
    return count('QUOTA_FULL') >= count('NO_SPACE') ? 'QUOTA_FULL' : 'NO_SPACE'
  return count('INTEGRITY') > spare ? 'INTEGRITY' : 'TOO_FEW_NODES'
}
