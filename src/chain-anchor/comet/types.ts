/** Point in time with nanoseconds, as google.protobuf.Timestamp. `seconds` counts from 1970 UTC and may be negative. */
export interface Timestamp {
  seconds: number
  /** 0 to 999,999,999 */
  nanos: number
}

/** Number of block parts and the Merkle root over them. */
export interface PartSetHeader {
  total: number
  /** 32 bytes, or empty when there is no block. */
  hash: Uint8Array
}

/** Names one block: header hash and part set. Both are empty for nil. */
export interface BlockId {
  hash: Uint8Array
  parts: PartSetHeader
}

/** A CometBFT block header. Hashes have 32 bytes or are empty; `appHash` is free-form. Source: tendermint.types.Header. */
export interface Header {
  version: { block: number; app: number }
  chainId: string
  height: number
  time: Timestamp
  lastBlockId: BlockId
  lastCommitHash: Uint8Array
  dataHash: Uint8Array
  validatorsHash: Uint8Array
  nextValidatorsHash: Uint8Array
  consensusHash: Uint8Array
  appHash: Uint8Array
  lastResultsHash: Uint8Array
  evidenceHash: Uint8Array
  /** 20 bytes */
  proposerAddress: Uint8Array
}

/** How a validator appears in a commit: absent, signed the block, or signed nil. */
export const BLOCK_ID_FLAG = { absent: 1, commit: 2, nil: 3 } as const
/** One of the values of BLOCK_ID_FLAG. */
export type BlockIdFlag = (typeof BLOCK_ID_FLAG)[keyof typeof BLOCK_ID_FLAG]

/** Type numbers inside signed votes and proposals. */
export const SIGNED_MESSAGE = { prevote: 1, precommit: 2, proposal: 32 } as const

/** One validator's line in a commit. An absent one has empty address and signature and the zero time. */
export interface CommitSig {
  flag: BlockIdFlag
  /** 20 bytes or empty */
  address: Uint8Array
  time: Timestamp
  /** 64 bytes or empty */
  signature: Uint8Array
}

/** Precommits for one block: exactly one line per validator, in the order of the validator set. */
export interface Commit {
  height: number
  round: number
  blockId: BlockId
  signatures: CommitSig[]
}

/** A validator with its Ed25519 key. */
export interface Validator {
  /** First 20 bytes of SHA-256 of the key. */
  address: Uint8Array
  /** 32 bytes */
  publicKey: Uint8Array
  /** At least 1. */
  power: bigint
  /** Proposer priority: not hashed, only used to choose proposers. */
  priority: bigint
}

/** Everything needed to check one height: header, its commit and the validators that signed it. */
export interface LightBlock {
  header: Header
  commit: Commit
  validators: Validator[]
}

/** `version.block` of every header of this line. */
export const BLOCK_PROTOCOL = 11
/** Go's zero time, 0001-01-01T00:00:00Z. */
export const ZERO_TIME: Timestamp = Object.freeze({ seconds: -62_135_596_800, nanos: 0 })
/** The block id of nil and of "no block before this one". */
export const NO_BLOCK_ID: BlockId = Object.freeze({
  hash: new Uint8Array(0),
  parts: Object.freeze({ total: 0, hash: new Uint8Array(0) }),
})
