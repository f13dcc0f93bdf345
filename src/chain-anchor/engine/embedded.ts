import { equalBytes, fromHex, toHex } from '../../bytes.ts'
import type { SigningKey } from '../../crypto/sign.ts'
import { XcareError } from '../../errors.ts'
import { BLOCK_DATA_BYTES_MAX, BLOCK_INTERVAL_MS_MAX, DISK_RETRY_MS } from '../../limits.ts'
import type { Clock } from '../../ports.ts'
import type { AbciApplication, AbciInfo, QueryRequest, QueryResponse, TxLane } from '../app/abci.ts'
import { encodeAppState, type Genesis } from '../app/genesis.ts'
import { txHash } from '../app/tx.ts'
import { timeFromMs, timeToMs } from '../comet/time.ts'
import { type LightBlock, ZERO_TIME } from '../comet/types.ts'
import { asStoreError, diskFull } from '../state/sqlite.ts'
import { precommit, propose, voteMark } from './block-maker.ts'
import type { BlockStore, ChainTip } from './blockstore.ts'
import type { Engine, StoredBlock, Submission, TxPlace } from './engine.ts'
import { Mempool } from './mempool.ts'
import type { SignState } from './sign-state.ts'

/** Bytes of a block that are not transactions, at most: header, commit, framing. */
const BLOCK_OVERHEAD_BYTES = 64 * 1024

/** What the embedded engine is made of. */
export interface EmbeddedParts {
  genesis: Genesis
  app: AbciApplication
  store: BlockStore
  signState: SignState
  /** Keys of the validators that this process plays, one or more. */
  keys: readonly SigningKey[]
  clock: Clock
  /** Time between two blocks with transactions, at least. */
  intervalMs: number
  /** Time between two empty blocks. */
  heartbeatMs?: number
}

/**
 * The whole consensus in one process that holds the keys of more than two thirds of the voting power. Its blocks are
 * CometBFT's, byte for byte; it is not fault tolerant. Blocks are made when transactions wait, each followed at once by
 * an empty one whose header proves its effect, and otherwise as a heartbeat.
 */
export class EmbeddedEngine implements Engine {
  readonly chainId: string
  readonly consensus = 'single-process (not fault tolerant)'
  readonly #parts: EmbeddedParts
  readonly #mempool: Mempool
  readonly #listeners = new Set<(block: LightBlock) => void>()
  readonly #waiting = new Map<string, Set<(place: TxPlace | XcareError) => void>>()
  readonly #stopping = new AbortController()
  #tip: ChainTip | null
  #appHash: Uint8Array
  #wake: (() => void) | null = null
  #running: Promise<void> = Promise.resolve()
  /** Whether the disk took the last block; no transaction is taken while it does not. */
  #isFull = false

  private constructor(parts: EmbeddedParts) {
    this.#parts = parts
    this.#mempool = new Mempool(parts.clock.nowMs())
    this.chainId = parts.genesis.chainId
    this.#tip = null
    this.#appHash = new Uint8Array(0)
  }

  /**
   * Brings application and blocks to the same height and makes the first block.
   * @throws XcareError INTEGRITY when they contradict each other or the sign state.
   */
  static start(parts: EmbeddedParts): EmbeddedEngine {
    const engine = new EmbeddedEngine(parts)
    engine.#handshake()
    engine.#unlessFull(() => engine.#freshen())
    if (engine.height() === 0) throw diskFull()
    engine.#running = engine.#run().catch((cause: unknown) => {
      throw asStoreError(cause)
    })
    return engine
  }

  /** Newest height. */
  height(): number {
    return this.#tip?.block.header.height ?? 0
  }

  /** The block at `height`. */
  block(height: number): StoredBlock | null {
    return this.#tip?.block.header.height === height ? this.#tip : this.#parts.store.block(height)
  }

  /**
   * Judges a transaction and lets it wait for a block. One that waits already is fine.
   * @throws XcareError BUSY, NO_SPACE while the disk is full
   */
  submit(tx: Uint8Array, sender: string): Submission {
    if (this.#isFull) throw diskFull()
    const hash = txHash(tx)
    if (this.#mempool.has(hash))
      return { hash, answer: { code: 0, data: new Uint8Array(0), log: '', codespace: '' } }
    // Members take turns among themselves: one that is mad gets one turn, from wherever it sends.
    const whoseTurn = ({ lane, signer }: TxLane) => (lane === 'member' ? signer : sender)
    const { place, ...answer } = this.#parts.app.checkTx(tx, 'new', (where) => {
      if (this.#mempool.hasRoomFor(where.lane, whoseTurn(where), tx.length)) return true
      throw tooMany()
    })
    if (place) {
      for (const lost of this.#mempool.add(hash, tx, place.lane, whoseTurn(place)))
        this.#settle(lost, tooMany())
      this.#wake?.()
    }
    return { hash, answer }
  }

  /** Where the transaction is. */
  find(hash: Uint8Array): TxPlace | null {
    return this.#parts.store.find(hash)
  }

  /** Resolves once the transaction is in a block and the next header proves what it did. */
  included(hash: Uint8Array, signal: AbortSignal): Promise<TxPlace> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const name = toHex(hash)
      const waiting = this.#waiting.get(name) ?? new Set()
      this.#waiting.set(name, waiting)
      const give = (end: TxPlace | XcareError) => {
        signal.removeEventListener('abort', giveUp)
        if (end instanceof XcareError) reject(end)
        else resolve(end)
      }
      const giveUp = () => {
        waiting.delete(give)
        if (waiting.size === 0) this.#waiting.delete(name)
        reject(signal.reason)
      }
      waiting.add(give)
      signal.addEventListener('abort', giveUp, { once: true })
    })
  }

  /** Reads the application's state. */
  query(request: QueryRequest): QueryResponse {
    return this.#parts.app.query(request)
  }

  /** What the application holds. */
  info(): AbciInfo {
    return this.#parts.app.info()
  }

  /** Listens for blocks. */
  onBlock(listener: (block: LightBlock) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Ends after the block in hand. @throws what ended the engine earlier. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#wake?.()
    await this.#running
  }

  /** Resolves when the engine was stopped, rejects when it could not go on. */
  get ended(): Promise<void> {
    return this.#running
  }

  // Like CometBFT's handshake: the application may be one block behind, never ahead.
  #handshake(): void {
    const { app, store, genesis } = this.#parts
    const info = app.info()
    this.#appHash = info.lastBlockAppHash
    if (info.lastBlockHeight === 0)
      this.#appHash = app.initChain({
        chainId: genesis.chainId,
        appState: encodeAppState(genesis.params),
        initialHeight: 1,
      }).appHash
    if (info.lastBlockHeight > store.height || info.lastBlockHeight < store.height - 1)
      throw new XcareError(
        'INTEGRITY',
        `the state is at block ${info.lastBlockHeight} and the chain at ${store.height}: blocks are missing`,
        { next: 'put the whole folder of the chain back from its newest copy' },
      )
    const newest = store.block(store.height)
    if (!newest) return
    this.#tip = newest
    if (info.lastBlockHeight < store.height) this.#appHash = this.#finalize(newest).appHash
    if (info.lastBlockHeight < store.height) app.commit()
    if (!equalBytes(this.#appHash, newest.appHash))
      throw new XcareError(
        'INTEGRITY',
        `the state after block ${store.height} is not the one that was announced`,
      )
  }

  // The time of a block is that of the votes for the one before: after a long stop it takes two to tell today's time.
  // A new chain needs two before the state can be proven.
  #freshen(): void {
    const { clock, heartbeatMs = BLOCK_INTERVAL_MS_MAX } = this.#parts
    for (let made = 0; made < 2; made++) {
      const { height = 0, time = ZERO_TIME } = this.#tip?.block.header ?? {}
      if (height >= 2 && clock.nowMs() - timeToMs(time) <= heartbeatMs) return
      this.#makeBlock([])
    }
  }

  async #run(): Promise<void> {
    const { clock, intervalMs, heartbeatMs = BLOCK_INTERVAL_MS_MAX } = this.#parts
    let lastMs = Number.NEGATIVE_INFINITY
    while (!this.#stopping.signal.aborted) {
      const isDue = () => this.#mempool.dueInMs(clock.nowMs()) === 0
      if (!isDue()) await this.#pause(Math.min(heartbeatMs, this.#mempool.dueInMs(clock.nowMs())), isDue)
      const early = lastMs + intervalMs - clock.nowMs()
      // A clock that was set back must not stop the chain.
      if (isDue() && early > 0) await this.#pause(Math.min(early, intervalMs), () => false)
      if (this.#stopping.signal.aborted) return
      lastMs = clock.nowMs()
      this.#unlessFull(() => this.#advance())
      if (this.#isFull) await this.#untilSpace()
    }
  }

  /**
   * A full disk ends nothing: no more is taken until there is room again.
   * @throws whatever else `work` throws.
   */
  #unlessFull(work: () => void): void {
    try {
      work()
      this.#isFull = false
    } catch (cause) {
      const error = asStoreError(cause)
      if (!(error instanceof XcareError) || error.code !== 'NO_SPACE') throw error
      this.#isFull = true
    }
  }

  // What the full disk cut short is brought to one height, as after a crash, and a block shows that it goes
  // on.
  async #untilSpace(): Promise<void> {
    const { clock } = this.#parts
    while (this.#isFull && !this.#stopping.signal.aborted) {
      await clock.sleep(DISK_RETRY_MS, this.#stopping.signal).catch(() => undefined)
      if (this.#stopping.signal.aborted) return
      this.#unlessFull(() => {
        this.#handshake()
        this.#makeBlock([])
      })
    }
    for (const name of this.#waiting.keys()) {
      const place = this.find(fromHex(name))
      if (place) this.#settle(name, place)
    }
    this.#recheck()
  }

  // One block, the proof of its effect, and only then the good news.
  #advance(): void {
    const { app, clock } = this.#parts
    const { txs } = app.prepareProposal({
      txs: this.#mempool.choose(clock.nowMs()),
      maxTxBytes: BLOCK_DATA_BYTES_MAX - BLOCK_OVERHEAD_BYTES,
    })
    const before = this.#appHash
    const made = this.#makeBlock(txs)
    for (const tx of txs) this.#mempool.remove(txHash(tx))
    if (txs.length > 0 && !equalBytes(before, this.#appHash)) this.#makeBlock([])
    this.#recheck()
    for (const [index, tx] of txs.entries())
      this.#settle(toHex(txHash(tx)), {
        height: made.block.header.height,
        index,
        result: made.results[index],
      })
  }

  #makeBlock(txs: Uint8Array[]): StoredBlock {
    const { genesis, app, store, signState, keys, clock } = this.#parts
    const height = this.height() + 1
    // A round that was signed but whose block did not survive a crash was never shown to anyone: the next round replaces it.
    const round = signState.last.height === height ? signState.last.round + 1 : 0
    const proposal = propose(genesis, this.#tip, this.#appHash, txs, round)
    signState.advance({ height, round, voted: voteMark(proposal.id) })
    const commit = precommit(proposal, keys, round, timeFromMs(clock.nowMs()))
    const { block, id, bytes, turn } = proposal
    const made: StoredBlock = { block, id, bytes, commit, validators: turn.validators, results: [] }
    const { txResults, appHash } = this.#finalize(made)
    const stored = { ...made, results: txResults }
    store.append(stored, appHash)
    app.commit()
    this.#tip = { ...stored, appHash }
    this.#appHash = appHash
    for (const listener of this.#listeners)
      listener({ header: block.header, commit, validators: turn.validators })
    return stored
  }

  #finalize({ block, id }: StoredBlock) {
    const { height, time, version } = block.header
    return this.#parts.app.finalizeBlock({
      txs: block.txs,
      hash: id.hash,
      height,
      timeMs: timeToMs(time),
      appVersion: version.app,
    })
  }

  #recheck(): void {
    for (const tx of this.#mempool.all()) {
      const answer = this.#parts.app.checkTx(tx, 'recheck')
      if (answer.code === 0) continue
      const hash = txHash(tx)
      this.#mempool.remove(hash)
      this.#settle(toHex(hash), { height: 0, index: 0, result: answer })
    }
  }

  #settle(name: string, end: TxPlace | XcareError): void {
    const waiting = this.#waiting.get(name)
    this.#waiting.delete(name)
    for (const give of waiting ?? []) give(end)
  }

  async #pause(durationMs: number, isOver: () => boolean): Promise<void> {
    if (isOver() || this.#stopping.signal.aborted) return
    const cut = new AbortController()
    this.#wake = () => {
      if (!isOver() && !this.#stopping.signal.aborted) return
      this.#wake = null
      cut.abort()
    }
    await this.#parts.clock.sleep(durationMs, cut.signal).catch(() => undefined)
    this.#wake = null
  }
}

function tooMany(): XcareError {
  return new XcareError('BUSY', 'too many transactions wait for a block')
}
