import type { Lane } from './lanes.ts'

/**
 * The application as a consensus engine drives it: the calls of ABCI 2.0 that matter, with the same names and order.
 * The embedded engine calls them directly; a socket server can pass on the calls of CometBFT to the same object.
 * Source: CometBFT v0.38 specification of ABCI 2.0.
 */
export interface AbciApplication {
  info(): AbciInfo
  /** Called once, at height 0. The state is durable only with the first commit. */
  initChain(request: InitChainRequest): { appHash: Uint8Array }
  /** @param admits asked before signatures are checked, which are dear: false is a refusal of code `full`. */
  checkTx(tx: Uint8Array, kind: 'new' | 'recheck', admits?: (place: TxLane) => boolean): CheckAnswer
  prepareProposal(request: { txs: readonly Uint8Array[]; maxTxBytes: number }): { txs: Uint8Array[] }
  processProposal(request: { txs: readonly Uint8Array[] }): { accept: boolean }
  /** Computes results and app hash. Nothing is durable yet; may be called again with the same block. */
  finalizeBlock(request: FinalizeBlockRequest): FinalizeBlockResponse
  /** Makes height, app hash and state durable in one step. */
  commit(): { retainHeight: number }
  query(request: QueryRequest): QueryResponse
}

/** What the application holds. A height of 0 asks for initChain. */
export interface AbciInfo {
  data: string
  version: string
  appVersion: number
  lastBlockHeight: number
  lastBlockAppHash: Uint8Array
}

/** The genesis, as far as the application is concerned. `appState` is the JSON text of its `app_state`. */
export interface InitChainRequest {
  chainId: string
  appState: Uint8Array
  initialHeight: number
}

/** Result of one transaction; only code and data enter hashes. */
export interface TxAnswer {
  code: number
  data: Uint8Array
  log: string
  codespace: string
}

/** Where a transaction may wait. `signer` is the hex of its first key. */
export interface TxLane {
  lane: Lane
  signer: string
}

/** Judgement of a transaction that is to wait; `place` is null when it was refused. */
export interface CheckAnswer extends TxAnswer {
  place: TxLane | null
}

/** A decided block. `timeMs` is the time of its header, `hash` the hash of its header. */
export interface FinalizeBlockRequest {
  txs: readonly Uint8Array[]
  hash: Uint8Array
  height: number
  timeMs: number
  /** `version.app` of its header: the rules it is judged by. */
  appVersion: number
}

/** `appHash` belongs into the header of the next block. */
export interface FinalizeBlockResponse {
  txResults: TxAnswer[]
  appHash: Uint8Array
}

/** `path` is `/key` (data = key) or `/blob` (data = SHA-256). Height 0 means the newest. */
export interface QueryRequest {
  path: string
  data: Uint8Array
  height: number
  prove: boolean
}

/** `code` 0 and an empty value mean proven absence. `proofOps` is null when no proof was asked for. */
export interface QueryResponse {
  code: number
  log: string
  key: Uint8Array
  value: Uint8Array
  height: number
  codespace: string
  proofOps: { type: string; key: Uint8Array; data: Uint8Array }[] | null
}
