import { XcareError } from '../../errors.ts'
import { VALIDATORS_MAX } from '../../limits.ts'
import { ProtoReader } from '../codec/reader.ts'
import { checkTime } from './time.ts'
import {
  type BlockId,
  type BlockIdFlag,
  type Commit,
  type CommitSig,
  type Header,
  type LightBlock,
  NO_BLOCK_ID,
  type PartSetHeader,
  type Timestamp,
  type Validator,
} from './types.ts'

const NONE: Uint8Array = new Uint8Array(0)
const HASH_BYTES = 32
const ADDRESS_BYTES = 20
const SIGNATURE_BYTES_MAX = 64
const CHAIN_ID_BYTES_MAX = 50
const APP_HASH_BYTES_MAX = 64

/** @returns the timestamp in google.protobuf.Timestamp bytes. @throws XcareError MALFORMED */
export function decodeTime(bytes: Uint8Array): Timestamp {
  const time: Timestamp = { seconds: 0, nanos: 0 }
  const reader = new ProtoReader(bytes)
  while (reader.next()) {
    if (reader.field === 1) time.seconds = reader.int()
    else if (reader.field === 2) time.nanos = reader.int()
    else reader.skipField()
  }
  return checkTime(time)
}

function decodePartSetHeader(bytes: Uint8Array): PartSetHeader {
  const parts: PartSetHeader = { total: 0, hash: NONE }
  const reader = new ProtoReader(bytes)
  while (reader.next()) {
    if (reader.field === 1) parts.total = reader.uint()
    else if (reader.field === 2) parts.hash = hash(reader)
    else reader.skipField()
  }
  return parts
}

/** @returns the block id in tendermint.types.BlockID bytes. @throws XcareError MALFORMED */
export function decodeBlockId(bytes: Uint8Array): BlockId {
  const id: BlockId = { hash: NONE, parts: NO_BLOCK_ID.parts }
  const reader = new ProtoReader(bytes)
  while (reader.next()) {
    if (reader.field === 1) id.hash = hash(reader)
    else if (reader.field === 2) id.parts = decodePartSetHeader(reader.bytes())
    else reader.skipField()
  }
  return id
}

function decodeVersion(bytes: Uint8Array): Header['version'] {
  const version = { block: 0, app: 0 }
  const reader = new ProtoReader(bytes)
  while (reader.next()) {
    if (reader.field === 1) version.block = reader.uint()
    else if (reader.field === 2) version.app = reader.uint()
    else reader.skipField()
  }
  return version
}

/** @returns the header in tendermint.types.Header bytes. Hash lengths are checked here, meaning is not. @throws XcareError MALFORMED */
export function decodeHeader(bytes: Uint8Array): Header {
  const header = emptyHeader()
  const reader = new ProtoReader(bytes)
  while (reader.next()) {
    const read = HEADER_FIELDS[reader.field]
    if (read) read(header, reader)
    else reader.skipField()
  }
  return header
}

const HEADER_FIELDS: Record<number, (header: Header, reader: ProtoReader) => void> = {
  1: (header, reader) => {
    header.version = decodeVersion(reader.bytes())
  },
  2: (header, reader) => {
    header.chainId = reader.text(CHAIN_ID_BYTES_MAX)
  },
  3: (header, reader) => {
    header.height = reader.int()
  },
  4: (header, reader) => {
    header.time = decodeTime(reader.bytes())
  },
  5: (header, reader) => {
    header.lastBlockId = decodeBlockId(reader.bytes())
  },
  6: (header, reader) => {
    header.lastCommitHash = hash(reader)
  },
  7: (header, reader) => {
    header.dataHash = hash(reader)
  },
  8: (header, reader) => {
    header.validatorsHash = hash(reader)
  },
  9: (header, reader) => {
    header.nextValidatorsHash = hash(reader)
  },
  10: (header, reader) => {
    header.consensusHash = hash(reader)
  },
  11: (header, reader) => {
    header.appHash = reader.bytes(APP_HASH_BYTES_MAX)
  },
  12: (header, reader) => {
    header.lastResultsHash = hash(reader)
  },
  13: (header, reader) => {
    header.evidenceHash = hash(reader)
  },
  14: (header, reader) => {
    header.proposerAddress = exactly(reader.bytes(), ADDRESS_BYTES)
  },
}

function emptyHeader(): Header {
  return {
    version: { block: 0, app: 0 },
    chainId: '',
    height: 0,
    time: { seconds: 0, nanos: 0 },
    lastBlockId: NO_BLOCK_ID,
    lastCommitHash: NONE,
    dataHash: NONE,
    validatorsHash: NONE,
    nextValidatorsHash: NONE,
    consensusHash: NONE,
    appHash: NONE,
    lastResultsHash: NONE,
    evidenceHash: NONE,
    proposerAddress: NONE,
  }
}

function decodeCommitSig(bytes: Uint8Array): CommitSig {
  const line = { flag: 0, address: NONE, time: { seconds: 0, nanos: 0 }, signature: NONE }
  const reader = new ProtoReader(bytes)
  while (reader.next()) {
    if (reader.field === 1) line.flag = reader.int()
    else if (reader.field === 2) line.address = exactly(reader.bytes(), ADDRESS_BYTES)
    else if (reader.field === 3) line.time = decodeTime(reader.bytes())
    else if (reader.field === 4) line.signature = reader.bytes(SIGNATURE_BYTES_MAX)
    else reader.skipField()
  }
  return { ...line, flag: checkFlag(line.flag) }
}

/** @returns `flag` typed. @throws XcareError MALFORMED when it is not absent, commit or nil. */
export function checkFlag(flag: number): BlockIdFlag {
  if (flag === 1 || flag === 2 || flag === 3) return flag
  throw new XcareError('MALFORMED', `a commit has a line of unknown kind ${flag}`)
}

/** @returns the commit in tendermint.types.Commit bytes. @throws XcareError MALFORMED, also above VALIDATORS_MAX lines */
export function decodeCommit(bytes: Uint8Array): Commit {
  const commit: Commit = { height: 0, round: 0, blockId: NO_BLOCK_ID, signatures: [] }
  const reader = new ProtoReader(bytes)
  while (reader.next()) {
    if (reader.field === 1) commit.height = reader.int()
    else if (reader.field === 2) commit.round = reader.int()
    else if (reader.field === 3) commit.blockId = decodeBlockId(reader.bytes())
    else if (reader.field === 4) {
      if (commit.signatures.length === VALIDATORS_MAX)
        throw new XcareError('MALFORMED', 'a commit has too many lines')
      commit.signatures.push(decodeCommitSig(reader.bytes()))
    } else reader.skipField()
  }
  return commit
}

function decodePublicKey(bytes: Uint8Array): Uint8Array {
  let key = NONE
  const reader = new ProtoReader(bytes)
  while (reader.next()) {
    if (reader.field !== 1) throw new XcareError('MALFORMED', 'a validator key is not an Ed25519 key')
    key = reader.bytes()
  }
  return exactly(key, 32)
}

function decodeValidator(bytes: Uint8Array): Validator {
  const validator: Validator = { address: NONE, publicKey: NONE, power: 0n, priority: 0n }
  const reader = new ProtoReader(bytes)
  while (reader.next()) {
    if (reader.field === 1) validator.address = exactly(reader.bytes(), ADDRESS_BYTES)
    else if (reader.field === 2) validator.publicKey = decodePublicKey(reader.bytes())
    else if (reader.field === 3) validator.power = reader.bigint()
    else if (reader.field === 4) validator.priority = reader.bigint()
    else reader.skipField()
  }
  return validator
}

function decodeValidators(bytes: Uint8Array): Validator[] {
  const validators: Validator[] = []
  const reader = new ProtoReader(bytes)
  while (reader.next()) {
    if (reader.field !== 1) reader.skipField()
    else if (validators.length === VALIDATORS_MAX) throw new XcareError('MALFORMED', 'too many validators')
    else validators.push(decodeValidator(reader.bytes()))
  }
  return validators
}

/** @returns the light block in tendermint.types.LightBlock bytes, not yet verified. @throws XcareError MALFORMED */
export function decodeLightBlock(bytes: Uint8Array): LightBlock {
  let header: Header | null = null
  let commit: Commit | null = null
  let validators: Validator[] = []
  const reader = new ProtoReader(bytes)
  while (reader.next()) {
    if (reader.field === 1) {
      const signed = new ProtoReader(reader.bytes())
      while (signed.next()) {
        if (signed.field === 1) header = decodeHeader(signed.bytes())
        else if (signed.field === 2) commit = decodeCommit(signed.bytes())
        else signed.skipField()
      }
    } else if (reader.field === 2) validators = decodeValidators(reader.bytes())
    else reader.skipField()
  }
  if (!header || !commit) throw new XcareError('MALFORMED', 'a light block lacks its header or commit')
  return { header, commit, validators }
}

function hash(reader: ProtoReader): Uint8Array {
  return exactly(reader.bytes(), HASH_BYTES)
}

function exactly(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length !== 0 && bytes.length !== length)
    throw new XcareError('MALFORMED', `a field has ${bytes.length} bytes, expected ${length}`)
  return bytes
}
