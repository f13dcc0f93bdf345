import { ProtoWriter } from '../codec/writer.ts'
import type {
  BlockId,
  Commit,
  CommitSig,
  Header,
  LightBlock,
  PartSetHeader,
  Timestamp,
  Validator,
} from './types.ts'

/** @returns google.protobuf.Timestamp bytes. */
export function encodeTime(time: Timestamp): Uint8Array {
  return new ProtoWriter().int(1, time.seconds).int(2, time.nanos).finish()
}

/** @returns tendermint.types.PartSetHeader bytes. The canonical form is the same. */
function encodePartSetHeader(parts: PartSetHeader): Uint8Array {
  return new ProtoWriter().int(1, parts.total).bytes(2, parts.hash).finish()
}

/** @returns tendermint.types.BlockID bytes; `12 00` for nil. The canonical form of a block id that is not nil is the same. */
export function encodeBlockId(id: BlockId): Uint8Array {
  return new ProtoWriter().bytes(1, id.hash).message(2, encodePartSetHeader(id.parts)).finish()
}

/** @returns tendermint.version.Consensus bytes. */
export function encodeVersion(version: Header['version']): Uint8Array {
  return new ProtoWriter().int(1, version.block).int(2, version.app).finish()
}

/** @returns tendermint.types.Header bytes. */
export function encodeHeader(header: Header): Uint8Array {
  return new ProtoWriter()
    .message(1, encodeVersion(header.version))
    .text(2, header.chainId)
    .int(3, header.height)
    .message(4, encodeTime(header.time))
    .message(5, encodeBlockId(header.lastBlockId))
    .bytes(6, header.lastCommitHash)
    .bytes(7, header.dataHash)
    .bytes(8, header.validatorsHash)
    .bytes(9, header.nextValidatorsHash)
    .bytes(10, header.consensusHash)
    .bytes(11, header.appHash)
    .bytes(12, header.lastResultsHash)
    .bytes(13, header.evidenceHash)
    .bytes(14, header.proposerAddress)
    .finish()
}

/** @returns tendermint.types.CommitSig bytes, a leaf of LastCommitHash. */
export function encodeCommitSig(line: CommitSig): Uint8Array {
  return new ProtoWriter()
    .int(1, line.flag)
    .bytes(2, line.address)
    .message(3, encodeTime(line.time))
    .bytes(4, line.signature)
    .finish()
}

/** @returns tendermint.types.Commit bytes. */
export function encodeCommit(commit: Commit): Uint8Array {
  return new ProtoWriter()
    .int(1, commit.height)
    .int(2, commit.round)
    .message(3, encodeBlockId(commit.blockId))
    .repeated(4, commit.signatures.map(encodeCommitSig))
    .finish()
}

/** @returns tendermint.crypto.PublicKey bytes of an Ed25519 key. */
export function encodePublicKey(publicKey: Uint8Array): Uint8Array {
  return new ProtoWriter().message(1, publicKey).finish()
}

/** @returns tendermint.types.Validator bytes. */
function encodeValidator(validator: Validator): Uint8Array {
  return new ProtoWriter()
    .bytes(1, validator.address)
    .message(2, encodePublicKey(validator.publicKey))
    .int(3, validator.power)
    .int(4, validator.priority)
    .finish()
}

/** @returns tendermint.types.LightBlock bytes; the proposer and total power are left out, as both can be computed. */
export function encodeLightBlock(block: LightBlock): Uint8Array {
  const signedHeader = new ProtoWriter()
    .message(1, encodeHeader(block.header))
    .message(2, encodeCommit(block.commit))
  const validators = new ProtoWriter().repeated(1, block.validators.map(encodeValidator))
  return new ProtoWriter().message(1, signedHeader.finish()).message(2, validators.finish()).finish()
}
