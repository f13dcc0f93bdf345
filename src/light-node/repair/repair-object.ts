import { equalBytes } from '../../bytes.ts'
import type { SigningKey } from '../../crypto/sign.ts'
import { asXcareError, type ErrorCode, XcareError } from '../../errors.ts'
import { fragmentBytesOf } from '../../fragment/layout.ts'
import { type ObjectId, objectIdToBytes } from '../../ids.ts'
import type { Ledger } from '../../ports.ts'
import type { Coder } from '../coder.ts'
import { type AnchoredManifest, checkAnchored } from '../columns/anchored-manifest.ts'
import { type ColumnPorts, type Holder, Holders } from '../columns/holders.ts'
import { type LocatedObject, locateObject } from '../locate.ts'
import { signedOrder } from '../storage-orders.ts'
import { AskedKeeper } from './asked-keeper.ts'
import { Survey } from './survey.ts'
import { SurvivingStripes } from './surviving-stripes.ts'

/** What repairing needs of the world. */
export interface RepairPorts extends ColumnPorts {
  network: string
  ledger: Ledger
  coder: Coder
  /** The one-time owner key of an object. */
  ownerKeyOf(objectId: Uint8Array): SigningKey
}

/** One storage node and columns that the chain says it keeps, rising. */
export interface KeptColumns {
  node: string
  columns: number[]
}

/** What became of an object's columns. Every node is in one list. */
export interface RepairedObject {
  objectId: ObjectId
  /** Columns that a node has just signed to have on its disk, all of them. */
  columns: number
  /** Columns of the object, and fragments of each. */
  columnsOf: number
  stripes: number
  /** Nodes that lacked nothing. */
  intact: KeptColumns[]
  /** Nodes that have everything again, with the columns they had lost fragments of, and how many fragments. */
  repaired: (KeptColumns & { fragments: number })[]
  /** Nodes that did not answer, refused or failed, and what they said. */
  away: (KeptColumns & { code: ErrorCode; message: string })[]
  /** Nodes of an older version, which looked up what they have and did not read it. */
  unread: KeptColumns[]
  /** Columns that no node is meant to keep: the put left them out, or their node left the network. */
  unkept: number[]
  /** Bytes of all fragments made again. */
  bytes: number
}

/** A damaged fragment, or a lost stream, that shows up on the way is seen to by another turn; so many in all. */
const TURNS_MAX = 3
const OVER = 'the repair is over'

/**
 * Gives every storage node that keeps columns of an own object back what it lost of them. The steps of a turn, in order: ask all,
 * confirm those that lost nothing, and stripe by stripe read k fragments, make the lost ones again, send them. Reads and sends
 * nothing twice; memory stays flat. Spec: docs/spec/repair.md.
 * @throws XcareError NOT_FOUND, REFUSED for an object of somebody else, TOO_FEW_FRAGMENTS before anything was sent, OFFLINE
 */
export async function repairObject(ports: RepairPorts, objectId: ObjectId): Promise<RepairedObject> {
  const ownerKey = ports.ownerKeyOf(objectIdToBytes(objectId))
  const located = await locateObject(ports.ledger, objectId)
  if (!equalBytes(located.record.ownerKey, ownerKey.publicKey))
    throw new XcareError('REFUSED', `object ${objectId} belongs to somebody else, who alone can repair it`)
  const holders = new Holders(ports, located)
  const manifest = await holders.manifest(ports.network)
  checkAnchored(manifest.manifest, located)
  const repair = new Repair(ports, located, manifest, holders, ownerKey)
  for (let turn = 1; turn <= TURNS_MAX && (await repair.turn()); turn++);
  return repair.outcome()
}

class Repair {
  readonly #ports: RepairPorts
  readonly #located: LocatedObject
  readonly #anchored: AnchoredManifest
  readonly #holders: Holders
  readonly #ownerKey: SigningKey
  /** What was lost, by node: columns, fragments that are back, and those that nothing is signed for. */
  readonly #losses = new Map<string, { columns: Set<number>; back: number; open: number }>()
  /** Nodes with a good receipt, and those without any, as of the last turn. */
  readonly #whole = new Map<string, AskedKeeper>()
  readonly #away = new Map<string, RepairedObject['away'][number]>()
  /** Whether something was found lost that the survey did not know. */
  #hasNews = false

  constructor(
    ports: RepairPorts,
    located: LocatedObject,
    anchored: AnchoredManifest,
    holders: Holders,
    ownerKey: SigningKey,
  ) {
    this.#ports = ports
    this.#located = located
    this.#anchored = anchored
    this.#holders = holders
    this.#ownerKey = ownerKey
  }

  /** Asks all nodes and makes again what they lack. @returns whether it should be done once more. */
  async turn(): Promise<boolean> {
    this.#hasNews = false
    this.#whole.clear()
    this.#away.clear()
    const asked = (await Promise.all(this.#holders.all.map((holder) => this.#ask(holder)))).flat()
    try {
      const survey = new Survey(this.#located.record.k, asked)
      if (survey.fewest < this.#located.record.k)
        throw this.#holders.tooFew(survey.fewest, this.#columnsAway())
      const intact = asked.filter(({ lost }) => lost.length === 0)
      await Promise.all(intact.map((keeper) => this.#finish(keeper)))
      if (survey.open.length > 0) await this.#makeAgain(survey, asked)
    } finally {
      for (const keeper of asked) keeper.abort(new XcareError('INTERRUPTED', OVER))
    }
    return this.#hasNews
  }

  outcome(): RepairedObject {
    const { n } = this.#located.record
    const whole = [...this.#whole].map(([node, { columns }]) => ({ node, columns: [...columns] }))
    const repaired = whole.flatMap(({ node }) => {
      const losses = this.#losses.get(node)
      return losses ? [{ node, columns: rising(losses.columns), fragments: losses.back }] : []
    })
    return {
      objectId: this.#located.objectId,
      columns: whole.reduce((sum, { columns }) => sum + columns.length, 0),
      columnsOf: n,
      stripes: this.#anchored.manifest.stripes,
      intact: whole.filter(({ node }) => !this.#losses.has(node)),
      repaired,
      away: [...this.#away.values()],
      unread: [...this.#whole].flatMap(([node, { isRead, columns }]) =>
        isRead ? [] : [{ node, columns: [...columns] }],
      ),
      unkept: this.#located.keepers.flatMap((keeper, column) => (keeper ? [] : [column])),
      bytes:
        repaired.reduce((sum, { fragments }) => sum + fragments, 0) *
        fragmentBytesOf(this.#anchored.manifest),
    }
  }

  #columnsAway(): number {
    return [...this.#away.values()].reduce((sum, { columns }) => sum + columns.length, 0)
  }

  async #ask(holder: Holder): Promise<AskedKeeper[]> {
    const keeper = this.#located.keepers[holder.columns[0]!]!
    const { objectId, version, k, n, shardBytes, stripes } = this.#anchored.manifest
    const place = { network: this.#ports.network, nodeId: keeper.nodeId }
    const layout = { k, n, shardBytes, stripes }
    const order = signedOrder(
      place,
      { objectId, version, columns: holder.columns, ...layout },
      this.#ownerKey,
    )
    try {
      const dial = () => this.#holders.dial(holder).catch(() => this.#holders.dialElsewhere(holder))
      const asked = await AskedKeeper.ask(this.#ports.clock, keeper, order, dial)
      this.#noteLosses(asked)
      return [asked]
    } catch (error) {
      this.#leave(keeper.nodeId, holder.columns, asXcareError(error))
      return []
    }
  }

  async #makeAgain(survey: Survey, asked: readonly AskedKeeper[]): Promise<void> {
    const { manifest, bytes } = this.#anchored
    const live = new Set(asked.filter(({ lost }) => lost.length > 0))
    const surviving = new SurvivingStripes(this.#readingPorts(), this.#located, manifest, survey)
    const rebuilding = await this.#ports.coder.rebuild(bytes)
    let sending: Promise<void> = Promise.resolve()
    let done = 0
    try {
      for await (const { stripe, fragments } of surviving.read()) {
        const lost = rising([...live].flatMap((keeper) => keeper.lacking(stripe)))
        const made = lost.length > 0 ? await rebuilding.rebuild(stripe, lost, fragments) : []
        // The next stripe is read and made while this one is sent, no more.
        await sending
        sending = this.#send(stripe, new Map(made.map((fragment, at) => [lost[at]!, fragment])), live)
        this.#ports.progress({ type: 'repair-progress', stripes: ++done, of: survey.open.length })
        if (live.size === 0) break
      }
    } finally {
      await sending
      rebuilding.close()
    }
  }

  /** Sends the lost fragments of one stripe; who has everything then is asked for its receipt. Never throws: who fails is left. */
  async #send(stripe: number, made: ReadonlyMap<number, Uint8Array>, live: Set<AskedKeeper>): Promise<void> {
    const concerned = [...live].filter((keeper) => keeper.lacking(stripe).length > 0)
    await Promise.all(
      concerned.map(async (keeper) => {
        try {
          await keeper.send(stripe, made)
          if (keeper.lost.at(-1) !== stripe) return
          live.delete(keeper)
          await this.#finish(keeper)
        } catch (error) {
          live.delete(keeper)
          this.#fail(keeper, asXcareError(error))
        }
      }),
    )
  }

  async #finish(keeper: AskedKeeper): Promise<void> {
    const { manifest, bytes } = this.#anchored
    const { nodeId } = keeper.keeper
    try {
      await keeper.finish(manifest, bytes)
    } catch (error) {
      this.#fail(keeper, asXcareError(error))
      return
    }
    this.#whole.set(nodeId, keeper)
    const losses = this.#losses.get(nodeId)
    if (!losses || losses.open === 0) return
    losses.back += losses.open
    this.#ports.progress({
      type: 'node-repaired',
      node: nodeId,
      columns: rising(losses.columns),
      fragments: losses.open,
    })
    losses.open = 0
  }

  /** What a node lacks still in a later turn, it lacked before: it is counted once. */
  #noteLosses(asked: AskedKeeper): void {
    const lacking = asked.lost.map((stripe) => asked.lacking(stripe))
    if (lacking.length === 0) return
    const { nodeId } = asked.keeper
    const losses = this.#losses.get(nodeId) ?? { columns: new Set(), back: 0, open: 0 }
    for (const column of lacking.flat()) losses.columns.add(column)
    losses.open = Math.max(
      losses.open,
      lacking.reduce((sum, { length }) => sum + length, 0),
    )
    this.#losses.set(nodeId, losses)
  }

  /** A node that answered and failed then may do better on a new stream. */
  #fail(keeper: AskedKeeper, error: XcareError): void {
    keeper.abort(error)
    if (error.retryable) this.#hasNews = true
    this.#leave(keeper.keeper.nodeId, keeper.columns, error)
  }

  #leave(node: string, columns: readonly number[], { code, message }: XcareError): void {
    this.#away.set(node, { node, columns: [...columns], code, message })
  }

  /** Listens for fragments that were said to be there and are not. */
  #readingPorts(): ColumnPorts {
    const { progress } = this.#ports
    return {
      ...this.#ports,
      progress: (event) => {
        if (event.type === 'node-failed' && (event.code === 'INTEGRITY' || event.code === 'NOT_FOUND'))
          this.#hasNews = true
        progress(event)
      },
    }
  }
}

function rising(columns: Iterable<number>): number[] {
  return [...columns].sort((a, b) => a - b)
}
