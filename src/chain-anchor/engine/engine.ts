import type { AbciInfo, QueryRequest, QueryResponse, TxAnswer } from '../app/abci.ts'
import type { Block } from '../comet/block.ts'
import type { BlockId, Commit, LightBlock, Validator } from '../comet/types.ts'

/** A block of the chain with everything the RPC tells about it. */
export interface StoredBlock {
  block: Block
  id: BlockId
  /** Bytes of the encoded block. */
  bytes: number
  /** Precommits for this block. */
  commit: Commit
  validators: Validator[]
  results: TxAnswer[]
}

/** Where a transaction ended up. */
export interface TxPlace {
  height: number
  index: number
  result: TxAnswer
}

/** Result of handing in a transaction: `answer` of checkTx, and the transaction's hash. */
export interface Submission {
  answer: TxAnswer
  hash: Uint8Array
}

/** Whom a chain's users must trust to stay live and honest; shown in every status. */
export type ConsensusKind = 'single-process (not fault tolerant)' | 'byzantine fault tolerant'

/** A running consensus engine, as RPC and gossip see it. */
export interface Engine {
  readonly chainId: string
  readonly consensus: ConsensusKind
  /** Newest height, 0 before the first block. */
  height(): number
  /** The block at `height`, or null when there is none. */
  block(height: number): StoredBlock | null
  /**
   * Judges a transaction and lets it wait.
   * @param sender whose turn and share it counts for.
   * @throws XcareError BUSY when too many wait.
   */
  submit(tx: Uint8Array, sender: string): Submission
  /**
   * Resolves when the transaction is in a block whose effect can be proven.
   * @throws the signal's reason, XcareError BUSY when it lost its place.
   */
  included(hash: Uint8Array, signal: AbortSignal): Promise<TxPlace>
  /** Where the transaction is, or null. */
  find(hash: Uint8Array): TxPlace | null
  query(request: QueryRequest): QueryResponse
  /** What the application holds. */
  info(): AbciInfo
  /** Calls `listener` after every block, until the returned function is called. */
  onBlock(listener: (block: LightBlock) => void): () => void
  /** Ends after the block in hand. */
  stop(): Promise<void>
}
