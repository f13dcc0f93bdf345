import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../../src/bytes.ts'
import { fromBase64 } from '../../../src/chain-anchor/comet/base64.ts'
import {
  blockId,
  consensusHash,
  dataHash,
  evidenceHash,
  resultsHash,
} from '../../../src/chain-anchor/comet/block.ts'
import { commitHash, lineCheck, verifyCommitByIndex } from '../../../src/chain-anchor/comet/commit.ts'
import { decodeHeader } from '../../../src/chain-anchor/comet/decode.ts'
import { encodeBlockId, encodeHeader, encodePublicKey } from '../../../src/chain-anchor/comet/encode.ts'
import { headerHash } from '../../../src/chain-anchor/comet/header.ts'
import {
  blockIdFromJson,
  commitFromJson,
  commitToJson,
  headerFromJson,
  headerToJson,
  validatorFromJson,
} from '../../../src/chain-anchor/comet/json.ts'
import { nextTurn } from '../../../src/chain-anchor/comet/proposer.ts'
import { timeFromText } from '../../../src/chain-anchor/comet/time.ts'
import {
  sortValidators,
  validatorAddress,
  validatorsHash,
} from '../../../src/chain-anchor/comet/validators.ts'
import { voteSignBytes } from '../../../src/chain-anchor/comet/vote.ts'
import { merkleRoot } from '../../../src/crypto/merkle.ts'
import { shared } from '../../shared-data.ts'

// biome-ignore lint/suspicious/noExplicitAny: external JSON whose shape the production readers check
type Json = any
const dir = shared('vectors/chain')
const load = (path: string): Json => JSON.parse(readFileSync(`${dir}/${path}`, 'utf8'))
const MOCHA = [10000, 10001, 10002, 10500, 10501, 3000]
const CELESTIA = ['chain1', 'chain2'].flatMap((chain) =>
  [1, 27].map((height) => `${chain}-extended_header_block_${height}`),
)

describe.skipIf(dir === null)('CometBFT unit values (needs ../shared/vectors)', () => {
  const values = dir === null ? null : load('cometbft-unit-values.json')

  it('builds the vote sign bytes', () => {
    for (const each of values.vote_sign_bytes) {
      const { type, height, round, timestamp, chain_id } = each
      const bytes = voteSignBytes(chain_id, {
        type,
        height,
        round,
        blockId: null,
        time: timeFromText(timestamp),
      })
      expect(toHex(bytes)).toBe(each.sign_bytes_hex)
    }
  })

  it('hashes headers', () => {
    const { header, hash } = values.header_hash[0]
    expect(toHex(headerHash(headerFromJson(header))!)).toBe(hash)
    expect(headerHash({ ...headerFromJson(header), validatorsHash: new Uint8Array(0) })).toBeNull()
  })

  it('hashes the header with a known hash', () => {
    const header = headerFromJson(load('header/header_with_known_hash.json'))
    expect(toHex(headerHash(header)!)).toBe(
      'f30a71f2409fb15aacaedb6cc122dfa2525bee9cae521721b06bfdca291b8d56',
    )
  })

  it('agrees on Merkle roots, the empty set and key messages', () => {
    for (const { leaves_hex, root } of values.merkle_root)
      expect(toHex(merkleRoot(leaves_hex.map(fromHex)))).toBe(root)
    expect(toHex(validatorsHash([]))).toBe(values.empty_validator_set_hash)
    const key = fromHex(values.ed25519_key_from_secret.public_key_hex)
    expect(`12240a22${toHex(encodePublicKey(key))}`).toBe(values.protobuf_messages[2].hex)
  })

  it('writes block ids and times inside a vote', () => {
    const { vote, hex } = values.protobuf_messages[0]
    const id = encodeBlockId(blockIdFromJson(vote.block_id))
    expect(hex).toContain(`22${id.length.toString(16)}${toHex(id)}`)
  })
})

describe.skipIf(dir === null)('blocks of real networks (needs ../shared/vectors)', () => {
  function check(block: Json) {
    const header = headerFromJson(block.header)
    const commit = commitFromJson(block.commit)
    const validators = block.validator_set.validators.map(validatorFromJson)
    expect(headerHash(header)).toEqual(commit.blockId.hash)
    expect(sortValidators(validators)).toEqual(validators)
    expect(validatorsHash(validators)).toEqual(header.validatorsHash)
    for (const each of validators) expect(validatorAddress(each.publicKey)).toEqual(each.address)
    verifyCommitByIndex(validators, commit, lineCheck(header.chainId, commit))
    expect(decodeHeader(encodeHeader(header))).toEqual(header)
    expect(headerToJson(header)).toEqual(block.header)
    expect({ ...commitToJson(commit), height: block.commit.height }).toEqual(block.commit)
  }

  it.each(MOCHA)('mocha-4 block %i', (height) => {
    check(load(`mocha-4/${height}-signed_block.json`).result)
  })

  it.each(CELESTIA)('celestia %s', (name) => {
    check(load(`celestia-private/${name}.json`))
  })

  it('mocha-4: the commit of one block is the last commit of the next', () => {
    const first = load('mocha-4/10500-signed_block.json').result
    const second = load('mocha-4/10501-signed_block.json').result
    expect(toHex(commitHash(commitFromJson(first.commit))).toUpperCase()).toBe(second.header.last_commit_hash)
  })

  it('mocha-4: turns of proposers', () => {
    const sets = [10000, 10001, 10002].map(
      (height) => load(`mocha-4/${height}-signed_block.json`).result.validator_set,
    )
    for (const [at, set] of sets.slice(1).entries()) {
      const turn = nextTurn(sets[at].validators.map(validatorFromJson))
      expect(turn.validators).toEqual(set.validators.map(validatorFromJson))
      expect(turn.proposer).toEqual(validatorFromJson(set.proposer))
    }
  })

  it('kvstore 0.38: genesis and commit verify end to end', () => {
    const [member] = load('rpc-v0_38/incoming-genesis.json').result.genesis.validators
    const validators = [validatorFromJson({ ...member, voting_power: member.power })]
    const { header: json, commit: commitJson } = load('rpc-v0_38/incoming-commit_at_height_10.json').result
      .signed_header
    const header = headerFromJson(json)
    const commit = commitFromJson(commitJson)
    expect(validatorsHash(validators)).toEqual(header.validatorsHash)
    expect(headerHash(header)).toEqual(commit.blockId.hash)
    expect(consensusHash(22_020_096, -1)).toEqual(header.consensusHash)
    expect(resultsHash([])).toEqual(header.lastResultsHash)
    expect(evidenceHash([])).toEqual(header.evidenceHash)
    verifyCommitByIndex(validators, commit, lineCheck(header.chainId, commit))
  })

  it('kvstore 0.37: data hashes and part sets of blocks with transactions', () => {
    const { blocks } = load('blocks/v0_37-block_search.json').result
    for (const { block, block_id } of blocks) {
      const txs = block.data.txs.map((tx: string) => fromBase64(tx, 1_000_000))
      expect(toHex(dataHash(txs)).toUpperCase()).toBe(block.header.data_hash)
      const lastCommit = commitFromJson(block.last_commit)
      expect(toHex(commitHash(lastCommit)).toUpperCase()).toBe(block.header.last_commit_hash)
      const id = blockId({ header: headerFromJson(block.header), txs, lastCommit })
      expect(id).toEqual(blockIdFromJson(block_id))
    }
    expect(blocks.length).toBeGreaterThan(10)
  })
})
