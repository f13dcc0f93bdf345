import { toHex } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import { BLOCK_TXS_MAX, LANE_WEIGHT_MAX, STATE_VERSIONS_KEPT, TX_WEIGHT } from '../../limits.ts'
import { STATE_PROOF_TYPE } from '../state/proof.ts'
import type {
  AbciApplication,
  AbciInfo,
  CheckAnswer,
  FinalizeBlockRequest,
  FinalizeBlockResponse,
  InitChainRequest,
  QueryRequest,
  QueryResponse,
  TxAnswer,
  TxLane,
} from './abci.ts'
import type { BlockContext } from './context.ts'
import { applyBlock, judgeTx, type SignatureCheck, type TxOutcome } from './execute.ts'
import { APP_VERSION, decodeAppState } from './genesis.ts'
import { LANES, laneOf } from './lanes.ts'
import { chainParams, paramsKey } from './params.ts'
import { type StateChanges, StateOverlay, type StateStore, type StateView, save } from './state.ts'
import { type Tx, txHash, verifyTxSignatures } from './tx.ts'

const CODESPACE = 'xcare'
const NOTHING = new Uint8Array(0)
/** More than can wait in all lanes together. */
const VERIFIED_HALF = (LANES.length * LANE_WEIGHT_MAX) / TX_WEIGHT
/** Codes of a refused query. */
const QUERY_CODE = { ok: 0, unknownPath: 1, badRequest: 2, notAvailable: 3, notFound: 4 } as const

/**
 * The application behind the chain. Pure but for the store it is given: no clock, no chance, no I/O of its own.
 * Needs the chain id at construction because a restarted engine does not call initChain again.
 */
export class XcareApp implements AbciApplication {
  readonly #store: StateStore
  readonly #chainId: string
  /** Genesis changes, until the first commit takes them along. */
  #genesis: StateOverlay | null = null
  #checked: StateOverlay
  #lastTimeMs = 0
  #staged: { height: number; timeMs: number } | null = null
  readonly #verified = new VerifiedTxs()

  constructor(store: StateStore, chainId: string) {
    this.#store = store
    this.#chainId = chainId
    this.#checked = new StateOverlay(store)
  }

  /** What is durable. */
  info(): AbciInfo {
    const { height, appHash } = this.#store.head()
    return {
      data: 'xcare',
      version: '1',
      appVersion: APP_VERSION,
      lastBlockHeight: height,
      lastBlockAppHash: appHash,
    }
  }

  /** Takes the genesis; its state is durable with the first block. @throws XcareError MALFORMED on a wrong app_state. */
  initChain({ chainId, appState, initialHeight }: InitChainRequest): { appHash: Uint8Array } {
    if (chainId !== this.#chainId || initialHeight !== 1 || this.#store.head().height !== 0)
      throw new XcareError(
        'INTERNAL',
        'the chain cannot begin here: another chain id or a state that is not empty',
      )
    const genesis = new StateOverlay(this.#store)
    save(genesis, paramsKey(), chainParams, decodeAppState(appState))
    this.#genesis = genesis
    this.#checked = new StateOverlay(genesis)
    return { appHash: this.#store.stage(0, genesis.changes()) }
  }

  /**
   * Judges a transaction against the newest state and those that passed before it since. A refused one may be
   * sent again.
   */
  checkTx(
    bytes: Uint8Array,
    _kind: 'new' | 'recheck' = 'new',
    admits: (place: TxLane) => boolean = () => true,
  ): CheckAnswer {
    const placeOf = ({ body, auths }: Tx): TxLane => ({
      lane: laneOf(this.#base(), body.messages),
      signer: toHex(auths[0]!.key),
    })
    const { outcome, tx } = judgeTx(this.#checked, this.#nextContext(), bytes, this.#verify, (judged) =>
      admits(placeOf(judged)),
    )
    return { ...answer(outcome), place: tx && placeOf(tx) }
  }

  /** As many of the waiting transactions, in order, as fit. */
  prepareProposal({ txs, maxTxBytes }: { txs: readonly Uint8Array[]; maxTxBytes: number }): {
    txs: Uint8Array[]
  } {
    const chosen: Uint8Array[] = []
    let bytes = 0
    for (const tx of txs) {
      bytes += tx.length + 8
      if (bytes > maxTxBytes || chosen.length === BLOCK_TXS_MAX) break
      chosen.push(tx)
    }
    return { txs: chosen }
  }

  /** Accepts every block of allowed size: refused transactions simply have no effect. */
  processProposal({ txs }: { txs: readonly Uint8Array[] }): { accept: boolean } {
    return { accept: txs.length <= BLOCK_TXS_MAX }
  }

  /** Computes results and app hash of a decided block. */
  finalizeBlock({ txs, hash, height, timeMs, appVersion }: FinalizeBlockRequest): FinalizeBlockResponse {
    const expected = this.#store.head().height + 1
    if (height !== expected)
      throw new XcareError('INTERNAL', `block ${height} cannot follow block ${expected - 1}`)
    const { results, changes } = applyBlock(
      this.#base(),
      { chainId: this.#chainId, rules: appVersion, height, timeMs, hash, txs },
      this.#verify,
    )
    const appHash = this.#store.stage(height, this.#withGenesis(changes))
    this.#staged = { height, timeMs }
    return { txResults: results.map(answer), appHash }
  }

  /** Makes the finalized block durable. */
  commit(): { retainHeight: number } {
    if (!this.#staged) throw new XcareError('INTERNAL', 'there is no finalized block to commit')
    this.#store.commit()
    this.#lastTimeMs = this.#staged.timeMs
    this.#staged = null
    this.#genesis = null
    this.#checked = new StateOverlay(this.#store)
    return { retainHeight: 0 }
  }

  /** Reads the state. */
  query({ path, data, height, prove }: QueryRequest): QueryResponse {
    const head = this.#store.head().height
    const at = height === 0 ? head : height
    if (path === '/blob') return this.#queryBlob(data, head)
    if (path !== '/key')
      return noAnswer(QUERY_CODE.unknownPath, 'The path is neither /key nor /blob.', data, at)
    if (data.length === 0) return noAnswer(QUERY_CODE.badRequest, 'The key is empty.', data, at)
    const proven = at > head ? null : this.#store.prove(data, at)
    if (!proven) {
      const log = `The state of height ${at} is not kept: the newest is ${head}, at most ${STATE_VERSIONS_KEPT} are kept.`
      return noAnswer(QUERY_CODE.notAvailable, log, data, at)
    }
    const proofOps = prove ? [{ type: STATE_PROOF_TYPE, key: data, data: proven.proof }] : null
    return { ...noAnswer(QUERY_CODE.ok, '', data, at), value: proven.value ?? NOTHING, proofOps }
  }

  #queryBlob(hash: Uint8Array, height: number): QueryResponse {
    const content = this.#store.blob(hash)
    if (content === null)
      return noAnswer(QUERY_CODE.notFound, 'There are no such public bytes.', hash, height)
    return { ...noAnswer(QUERY_CODE.ok, '', hash, height), value: content }
  }

  #base(): StateView {
    return this.#genesis ?? this.#store
  }

  #withGenesis(changes: StateChanges): StateChanges {
    if (!this.#genesis) return changes
    const all = new StateOverlay(this.#store)
    all.absorb(this.#genesis)
    all.apply(changes)
    return all.changes()
  }

  #nextContext(): BlockContext {
    return {
      chainId: this.#chainId,
      rules: APP_VERSION,
      height: this.#store.head().height + 1,
      timeMs: this.#lastTimeMs,
    }
  }

  // Signatures are checked when a transaction arrives and again in its block: the second time from memory.
  readonly #verify: SignatureCheck = (tx, bytes) => {
    const name = toHex(txHash(bytes))
    if (this.#verified.has(name)) return true
    if (!verifyTxSignatures(tx)) return false
    this.#verified.add(name)
    return true
  }
}

/** Remembers the newest: what was not asked for while a whole half came after it is forgotten. */
class VerifiedTxs {
  #newer = new Set<string>()
  #older = new Set<string>()

  has(name: string): boolean {
    if (this.#newer.has(name)) return true
    if (!this.#older.has(name)) return false
    this.add(name)
    return true
  }

  add(name: string): void {
    if (this.#newer.size >= VERIFIED_HALF) {
      this.#older = this.#newer
      this.#newer = new Set()
    }
    this.#newer.add(name)
  }
}

function answer({ code, log }: TxOutcome): TxAnswer {
  return { code, data: NOTHING, log, codespace: code === 0 ? '' : CODESPACE }
}

function noAnswer(code: number, log: string, key: Uint8Array, height: number): QueryResponse {
  return { code, log, key, value: NOTHING, height, codespace: code === 0 ? '' : CODESPACE, proofOps: null }
}
