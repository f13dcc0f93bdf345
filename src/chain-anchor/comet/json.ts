import { fromHex, toHex } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import { VALIDATORS_MAX } from '../../limits.ts'
import { fromBase64, toBase64 } from './base64.ts'
import { checkFlag } from './decode.ts'
import { timeFromText, timeToText } from './time.ts'
import {
  type BlockId,
  type Commit,
  type CommitSig,
  type Header,
  NO_BLOCK_ID,
  type Validator,
  ZERO_TIME,
} from './types.ts'

const ED25519 = 'tendermint/PubKeyEd25519'
const HASH_BYTES = [0, 32]
const ADDRESS_BYTES = [0, 20]
const CHAIN_ID_MAX = 50
const APP_HASH_BYTES_MAX = 64
const INT64 = /^-?\d{1,19}$/

/** A JSON object of unknown content, as it arrives from an RPC server. */
export type JsonObject = Record<string, unknown>

/** @returns the header in the RPC's JSON form. */
export function headerToJson(header: Header): JsonObject {
  return {
    version: {
      block: String(header.version.block),
      ...(header.version.app ? { app: String(header.version.app) } : {}),
    },
    chain_id: header.chainId,
    height: String(header.height),
    time: timeToText(header.time),
    last_block_id: blockIdToJson(header.lastBlockId),
    last_commit_hash: hex(header.lastCommitHash),
    data_hash: hex(header.dataHash),
    validators_hash: hex(header.validatorsHash),
    next_validators_hash: hex(header.nextValidatorsHash),
    consensus_hash: hex(header.consensusHash),
    app_hash: hex(header.appHash),
    last_results_hash: hex(header.lastResultsHash),
    evidence_hash: hex(header.evidenceHash),
    proposer_address: hex(header.proposerAddress),
  }
}

/** @returns the header in RPC JSON `value`, not verified. @throws XcareError MALFORMED */
export function headerFromJson(value: unknown): Header {
  const json = jsonObject(value)
  const version = json.version == null ? {} : jsonObject(json.version)
  const chainId = jsonText(json.chain_id)
  if (chainId.length > CHAIN_ID_MAX) throw new XcareError('MALFORMED', 'a chain id is too long')
  return {
    version: { block: jsonInt(version.block), app: jsonInt(version.app) },
    chainId,
    height: jsonInt(json.height),
    time: timeFromText(jsonText(json.time)),
    lastBlockId: blockIdFromJson(json.last_block_id),
    lastCommitHash: hash(json.last_commit_hash),
    dataHash: hash(json.data_hash),
    validatorsHash: hash(json.validators_hash),
    nextValidatorsHash: hash(json.next_validators_hash),
    consensusHash: hash(json.consensus_hash),
    appHash: appHash(json.app_hash),
    lastResultsHash: hash(json.last_results_hash),
    evidenceHash: hash(json.evidence_hash),
    proposerAddress: sized(json.proposer_address, ADDRESS_BYTES),
  }
}

/** @returns the block id in the RPC's JSON form. */
export function blockIdToJson(id: BlockId): JsonObject {
  return { hash: hex(id.hash), parts: { total: id.parts.total, hash: hex(id.parts.hash) } }
}

/** @returns the block id in `value`, whose part set may be called `parts` or `part_set_header`; null is nil. @throws XcareError MALFORMED */
export function blockIdFromJson(value: unknown): BlockId {
  if (value == null) return NO_BLOCK_ID
  const json = jsonObject(value)
  const parts = json.parts ?? json.part_set_header
  if (parts == null) return { hash: hash(json.hash), parts: NO_BLOCK_ID.parts }
  const { total, hash: partsHash } = jsonObject(parts)
  return { hash: hash(json.hash), parts: { total: jsonInt(total), hash: hash(partsHash) } }
}

/** @returns the commit in the RPC's JSON form. */
export function commitToJson(commit: Commit): JsonObject {
  return {
    height: String(commit.height),
    round: commit.round,
    block_id: blockIdToJson(commit.blockId),
    signatures: commit.signatures.map((line) => ({
      block_id_flag: line.flag,
      validator_address: hex(line.address),
      timestamp: timeToText(line.time),
      signature: line.signature.length === 0 ? null : toBase64(line.signature),
    })),
  }
}

/** @returns the commit in RPC JSON `value`, not verified. @throws XcareError MALFORMED */
export function commitFromJson(value: unknown): Commit {
  const json = jsonObject(value)
  return {
    height: jsonInt(json.height),
    round: jsonInt(json.round),
    blockId: blockIdFromJson(json.block_id),
    signatures: jsonList(json.signatures ?? [], VALIDATORS_MAX).map(commitSigFromJson),
  }
}

function commitSigFromJson(value: unknown): CommitSig {
  const json = jsonObject(value)
  return {
    flag: checkFlag(jsonInt(json.block_id_flag)),
    address: sized(json.validator_address, ADDRESS_BYTES),
    time: json.timestamp == null ? ZERO_TIME : timeFromText(jsonText(json.timestamp)),
    signature: json.signature == null ? new Uint8Array(0) : fromBase64(jsonText(json.signature), 64),
  }
}

/** @returns the validator in the RPC's JSON form. */
export function validatorToJson(validator: Validator): JsonObject {
  return {
    address: hex(validator.address),
    pub_key: { type: ED25519, value: toBase64(validator.publicKey) },
    voting_power: String(validator.power),
    proposer_priority: String(validator.priority),
  }
}

/** @returns the validator in RPC JSON `value`, not verified. @throws XcareError MALFORMED, also for keys other than Ed25519 */
export function validatorFromJson(value: unknown): Validator {
  const json = jsonObject(value)
  const key = jsonObject(json.pub_key)
  if (key.type !== ED25519) throw new XcareError('MALFORMED', 'a validator key is not an Ed25519 key')
  const publicKey = fromBase64(jsonText(key.value), 32)
  if (publicKey.length !== 32) throw new XcareError('MALFORMED', 'a validator key has a wrong length')
  return {
    address: sized(json.address, ADDRESS_BYTES),
    publicKey,
    power: jsonBigint(json.voting_power),
    priority: jsonBigint(json.proposer_priority ?? '0'),
  }
}

/** @returns `value` as an object. @throws XcareError MALFORMED */
export function jsonObject(value: unknown): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new XcareError('MALFORMED', 'an RPC answer has a wrong shape')
  return value as JsonObject
}

/** @returns `value` as a list of at most `max` elements. @throws XcareError MALFORMED */
export function jsonList(value: unknown, max: number): unknown[] {
  if (!Array.isArray(value) || value.length > max)
    throw new XcareError('MALFORMED', 'an RPC answer has a wrong list')
  return value
}

/** @returns `value` as text. @throws XcareError MALFORMED */
export function jsonText(value: unknown): string {
  if (typeof value !== 'string') throw new XcareError('MALFORMED', 'an RPC answer has a wrong text')
  return value
}

/** @returns `value`, a number or decimal string, as a safe integer; missing is 0. @throws XcareError MALFORMED */
export function jsonInt(value: unknown): number {
  const number = typeof value === 'string' && INT64.test(value) ? Number(value) : (value ?? 0)
  if (!Number.isSafeInteger(number)) throw new XcareError('MALFORMED', 'an RPC answer has a wrong number')
  return number as number
}

function jsonBigint(value: unknown): bigint {
  const text = typeof value === 'number' ? String(value) : jsonText(value)
  if (!INT64.test(text)) throw new XcareError('MALFORMED', 'an RPC answer has a wrong number')
  return BigInt(text)
}

function hex(bytes: Uint8Array): string {
  return toHex(bytes).toUpperCase()
}

function hash(value: unknown): Uint8Array {
  return sized(value, HASH_BYTES)
}

function appHash(value: unknown): Uint8Array {
  const bytes = value == null ? new Uint8Array(0) : fromHex(jsonText(value))
  if (bytes.length > APP_HASH_BYTES_MAX) throw new XcareError('MALFORMED', 'an app hash is too long')
  return bytes
}

function sized(value: unknown, lengths: readonly number[]): Uint8Array {
  const bytes = value == null ? new Uint8Array(0) : fromHex(jsonText(value))
  if (!lengths.includes(bytes.length))
    throw new XcareError('MALFORMED', 'a hash or address has a wrong length')
  return bytes
}
