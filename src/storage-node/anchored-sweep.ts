import { toHex } from '../bytes.ts'
import { recordKey } from '../chain-anchor/app/keys.ts'
import type { NodeId } from '../ids.ts'
import { ANCHOR_QUESTIONS_MAX, ANCHOR_SWEEP_MS, HEADER_AGE_MS_MAX } from '../limits.ts'
import type { Clock, Ledger, ProvenValue } from '../ports.ts'
import { judge } from './anchored.ts'
import { FIRST_HELD, type HeldColumn, type HeldCursor, type HeldWish } from './disk/upkeep/held-columns.ts'
import type { FragmentStore } from './fragment-store.ts'

const PAGE = 1024
/**
 * Questions of each round that are kept for what was anchored once: what is new must not keep removals from
 * being noticed.
 */
const AGAIN_MIN = 8

/** What a sweep works with. */
export interface SweepPorts {
  store: Pick<FragmentStore, 'call'>
  ledger: Pick<Ledger, 'read'>
  clock: Pick<Clock, 'nowMs'>
  nodeId: NodeId
}

/**
 * Asks the chain about the finished columns of a node, a few objects at a time, and drops what is not
 * anchored or not needed any more: what is new once its owner had time to anchor it, and everything that was
 * anchored once again and again, from the start of the node on. What cannot be asked is left as it is.
 */
export class AnchoredSweep {
  readonly #ports: SweepPorts
  #unproven: HeldCursor = FIRST_HELD
  /** Null while nothing is asked again. */
  #proven: HeldCursor | null = FIRST_HELD
  #sweptMs = Number.NEGATIVE_INFINITY

  constructor(ports: SweepPorts) {
    this.#ports = ports
  }

  /**
   * Asks about the next objects, at most ANCHOR_QUESTIONS_MAX.
   * @returns columns dropped, and whether new ones wait.
   * @throws XcareError as the ledger does; then all is as it was.
   */
  async step(): Promise<{ dropped: number; isBehind: boolean }> {
    const fresh = await this.#page('unproven', this.#unproven, ANCHOR_QUESTIONS_MAX - AGAIN_MIN)
    const dropped = await this.#judge(fresh.columns)
    this.#unproven = fresh.next ?? FIRST_HELD
    const again = await this.#again(ANCHOR_QUESTIONS_MAX - fresh.objects)
    return { dropped: dropped + again, isBehind: fresh.next !== null }
  }

  async #again(objects: number): Promise<number> {
    const nowMs = this.#ports.clock.nowMs()
    if (this.#proven === null && Math.abs(nowMs - this.#sweptMs) < ANCHOR_SWEEP_MS) return 0
    if (this.#proven === null || this.#proven === FIRST_HELD) this.#sweptMs = nowMs
    const page = await this.#page('proven', this.#proven ?? FIRST_HELD, objects)
    const dropped = await this.#judge(page.columns)
    this.#proven = page.next
    return dropped
  }

  /** @returns columns of the next objects, and where to go on; null when that was the end. */
  async #page(
    kind: HeldWish['kind'],
    after: HeldCursor,
    objects: number,
  ): Promise<{ columns: HeldColumn[]; objects: number; next: HeldCursor | null }> {
    const { columns, isEnd } = await this.#ports.store.call('held', kind, after, PAGE, objects)
    const asked = new Set(columns.map(({ objectId }) => toHex(objectId))).size
    return { columns, objects: asked, next: isEnd ? null : columns.at(-1)!.cursor }
  }

  async #judge(columns: readonly HeldColumn[]): Promise<number> {
    const { store, ledger, clock, nodeId } = this.#ports
    if (columns.length === 0) return 0
    const { patienceMs } = await store.call('patience')
    const proofs = new Map<string, ProvenValue>()
    const anchored: HeldColumn[] = []
    const gone: HeldColumn[] = []
    for (const held of columns) {
      const name = toHex(held.objectId)
      const proof = proofs.get(name) ?? (await ledger.read(recordKey(held.objectId), HEADER_AGE_MS_MAX))
      proofs.set(name, proof)
      const standing = judge({ held, proof, nodeId, nowMs: clock.nowMs(), patienceMs })
      if (standing === 'anchored' && !held.isProven) anchored.push(held)
      if (standing === 'gone') gone.push(held)
    }
    return anchored.length + gone.length > 0 ? store.call('judge', anchored, gone) : 0
  }
}
