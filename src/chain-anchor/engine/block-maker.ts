import { toHex } from '../../bytes.ts'
import { sha256 } from '../../crypto/hash.ts'
import type { SigningKey } from '../../crypto/sign.ts'
import type { TxAnswer } from '../app/abci.ts'
import { APP_VERSION, BLOCK_MAX_BYTES, BLOCK_MAX_GAS, type Genesis } from '../app/genesis.ts'
import {
  type Block,
  consensusHash,
  dataHash,
  encodeBlock,
  evidenceHash,
  partSetHeader,
  resultsHash,
} from '../comet/block.ts'
import { commitHash } from '../comet/commit.ts'
import { encodeBlockId } from '../comet/encode.ts'
import { headerHash } from '../comet/header.ts'
import { nextTurn, type Turn, updateValidators } from '../comet/proposer.ts'
import { timeFromMs } from '../comet/time.ts'
import {
  BLOCK_ID_FLAG,
  BLOCK_PROTOCOL,
  type BlockId,
  type Commit,
  type CommitSig,
  type Header,
  NO_BLOCK_ID,
  type Timestamp,
  ZERO_TIME,
} from '../comet/types.ts'
import { validatorAddress, validatorsHash } from '../comet/validators.ts'
import { commitSignBytes } from '../comet/vote.ts'
import { medianTime, voteTime } from './block-time.ts'
import { type ChainTip, NO_COMMIT } from './blockstore.ts'

/** @returns the turn of the first block. */
function firstTurn(genesis: Genesis): Turn {
  const changes = genesis.validators.map(({ publicKey, power }) => ({
    address: validatorAddress(publicKey),
    publicKey,
    power: BigInt(power),
  }))
  return nextTurn(updateValidators([], changes))
}

/** A block that is not signed yet. */
export interface Proposal {
  block: Block
  id: BlockId
  turn: Turn
  bytes: number
}

/**
 * @param appHash of the state after the block before.
 * @param before the newest block, null before the first. @param round above 0 gives the turn to later proposers.
 * @returns the one block with these transactions that can follow. Source: CometBFT State.MakeBlock; docs/spec/block.md.
 */
export function propose(
  genesis: Genesis,
  before: ChainTip | null,
  appHash: Uint8Array,
  txs: Uint8Array[],
  round: number,
): Proposal {
  const turn = before ? nextTurn(before.validators) : firstTurn(genesis)
  const lastCommit = before?.commit ?? NO_COMMIT
  const header: Header = {
    version: { block: BLOCK_PROTOCOL, app: APP_VERSION },
    chainId: genesis.chainId,
    height: (before?.block.header.height ?? 0) + 1,
    time: before ? medianTime(before.commit, before.validators) : timeFromMs(genesis.timeMs),
    lastBlockId: before?.id ?? NO_BLOCK_ID,
    lastCommitHash: commitHash(lastCommit),
    dataHash: dataHash(txs),
    validatorsHash: validatorsHash(turn.validators),
    nextValidatorsHash: validatorsHash(nextTurn(turn.validators).validators),
    consensusHash: consensusHash(BLOCK_MAX_BYTES, BLOCK_MAX_GAS),
    appHash,
    lastResultsHash: resultsHash((before?.results ?? []).map(gasless)),
    evidenceHash: evidenceHash([]),
    proposerAddress: proposerOf(turn, round),
  }
  const block: Block = { header, txs, lastCommit }
  const encoded = encodeBlock(block)
  const id = { hash: headerHash(header) as Uint8Array, parts: partSetHeader(encoded) }
  return { block, id, turn, bytes: encoded.length }
}

/** @returns what a validator remembers of having voted for a block. */
export function voteMark(id: BlockId): Uint8Array {
  return sha256(encodeBlockId(id))
}

/** @returns the commit of `proposal`: a precommit of every validator, those without a key in `keys` absent. */
export function precommit(
  proposal: Proposal,
  keys: readonly SigningKey[],
  round: number,
  now: Timestamp,
): Commit {
  const { header } = proposal.block
  const time = voteTime(now, header.time)
  const unsigned: Commit = {
    height: header.height,
    round,
    blockId: proposal.id,
    signatures: proposal.turn.validators.map(({ address }) => ({
      flag: BLOCK_ID_FLAG.commit,
      address,
      time,
      signature: new Uint8Array(0),
    })),
  }
  const byKey = new Map(keys.map((key) => [toHex(key.publicKey), key]))
  const signatures = proposal.turn.validators.map(({ publicKey }, at): CommitSig => {
    const key = byKey.get(toHex(publicKey))
    if (!key)
      return {
        flag: BLOCK_ID_FLAG.absent,
        address: new Uint8Array(0),
        time: ZERO_TIME,
        signature: new Uint8Array(0),
      }
    return {
      ...unsigned.signatures[at],
      signature: key.signRaw(commitSignBytes(header.chainId, unsigned, at)),
    }
  })
  return { ...unsigned, signatures }
}

function proposerOf(turn: Turn, round: number): Uint8Array {
  let at = turn
  for (let passed = 0; passed < round; passed++) at = nextTurn(at.validators)
  return at.proposer.address
}

function gasless({ code, data }: TxAnswer) {
  return { code, data, gasWanted: 0, gasUsed: 0 }
}
