import { lengthPrefixed, ProtoWriter } from '../codec/writer.ts'
import { encodeBlockId, encodeTime } from './encode.ts'
import { BLOCK_ID_FLAG, type BlockId, type Commit, SIGNED_MESSAGE, type Timestamp } from './types.ts'

/** What a vote says. `blockId` is null for a vote for nil. */
export interface Vote {
  /** One of SIGNED_MESSAGE. */
  type: number
  height: number
  round: number
  blockId: BlockId | null
  time: Timestamp
}

/** @returns the bytes a validator signs for `vote`: CanonicalVote behind its varint length. Source: CometBFT VoteSignBytes. */
export function voteSignBytes(chainId: string, vote: Vote): Uint8Array {
  const isNil = vote.blockId === null || vote.blockId.hash.length === 0
  const canonical = new ProtoWriter()
    .int(1, vote.type)
    .sfixed64(2, vote.height)
    .sfixed64(3, vote.round)
    .message(4, isNil ? null : encodeBlockId(vote.blockId as BlockId))
    .message(5, encodeTime(vote.time))
    .text(6, chainId)
  return lengthPrefixed(canonical.finish())
}

/** @returns the bytes that line `index` of `commit` signs. A nil line signs no block id. */
export function commitSignBytes(chainId: string, commit: Commit, index: number): Uint8Array {
  const { flag, time } = commit.signatures[index]!
  return voteSignBytes(chainId, {
    type: SIGNED_MESSAGE.precommit,
    height: commit.height,
    round: commit.round,
    blockId: flag === BLOCK_ID_FLAG.commit ? commit.blockId : null,
    time,
  })
}
