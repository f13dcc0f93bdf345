import { sha256 } from '../../crypto/hash.ts'
import { merkleRoot } from '../../crypto/merkle.ts'
import { XcareError } from '../../errors.ts'
import { ProtoWriter } from '../codec/writer.ts'
import { encodeCommit, encodeHeader } from './encode.ts'
import { headerHash } from './header.ts'
import type { BlockId, Commit, Header, PartSetHeader } from './types.ts'

/** Bytes of one block part; the last one is shorter. Source: CometBFT BlockPartSizeBytes. */
const BLOCK_PART_BYTES = 65_536

/** A block without evidence. `lastCommit` of the first block has height 0 and no lines. */
export interface Block {
  header: Header
  txs: Uint8Array[]
  lastCommit: Commit
}

/** What of a transaction's result enters LastResultsHash. Gas in whole units. */
export interface TxResult {
  code: number
  data: Uint8Array
  gasWanted: number
  gasUsed: number
}

/** @returns DataHash: root over the SHA-256 of each transaction. */
export function dataHash(txs: readonly Uint8Array[]): Uint8Array {
  return merkleRoot(txs.map((tx) => sha256(tx)))
}

/** @returns LastResultsHash: root over the deterministic members of each result. */
export function resultsHash(results: readonly TxResult[]): Uint8Array {
  return merkleRoot(
    results.map(({ code, data, gasWanted, gasUsed }) =>
      new ProtoWriter().int(1, code).bytes(2, data).int(5, gasWanted).int(6, gasUsed).finish(),
    ),
  )
}

/** @returns EvidenceHash: root over the encoded evidence; without evidence the hash of nothing. */
export function evidenceHash(evidence: readonly Uint8Array[]): Uint8Array {
  return merkleRoot([...evidence])
}

/** @returns ConsensusHash for the block's size limit in bytes and gas limit (-1 for none). */
export function consensusHash(blockMaxBytes: number, blockMaxGas: number): Uint8Array {
  return sha256(new ProtoWriter().int(1, blockMaxBytes).int(2, blockMaxGas).finish())
}

/** @returns tendermint.types.Block bytes. */
export function encodeBlock(block: Block): Uint8Array {
  return new ProtoWriter()
    .message(1, encodeHeader(block.header))
    .message(2, new ProtoWriter().repeated(1, block.txs).finish())
    .message(3, new Uint8Array(0))
    .message(4, encodeCommit(block.lastCommit))
    .finish()
}

/** @returns number of parts of an encoded block and the root over them. */
export function partSetHeader(block: Uint8Array): PartSetHeader {
  const parts = split(block)
  return { total: parts.length, hash: merkleRoot(parts) }
}

/** @returns the id of `block`: header hash and part set. @throws XcareError INTERNAL when its header has no hash. */
export function blockId(block: Block): BlockId {
  const hash = headerHash(block.header)
  if (!hash) throw new XcareError('INTERNAL', 'a block without validators hash has no id')
  return { hash, parts: partSetHeader(encodeBlock(block)) }
}

function split(block: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = []
  for (let at = 0; at < block.length; at += BLOCK_PART_BYTES)
    parts.push(block.subarray(at, at + BLOCK_PART_BYTES))
  return parts
}
