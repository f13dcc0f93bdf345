import { utf8 } from '../../bytes.ts'
import { merkleRoot } from '../../crypto/merkle.ts'
import { ProtoWriter } from '../codec/writer.ts'
import { encodeBlockId, encodeTime, encodeVersion } from './encode.ts'
import type { Header } from './types.ts'

/**
 * @returns the block hash: RFC 6962 root over the 14 header fields, or null for a header without validators hash,
 * which has no hash. Source: CometBFT Header.Hash; docs/spec/block.md.
 */
export function headerHash(header: Header): Uint8Array | null {
  if (header.validatorsHash.length === 0) return null
  return merkleRoot([
    encodeVersion(header.version),
    wrapped(utf8(header.chainId)),
    new ProtoWriter().int(1, header.height).finish(),
    encodeTime(header.time),
    encodeBlockId(header.lastBlockId),
    wrapped(header.lastCommitHash),
    wrapped(header.dataHash),
    wrapped(header.validatorsHash),
    wrapped(header.nextValidatorsHash),
    wrapped(header.consensusHash),
    wrapped(header.appHash),
    wrapped(header.lastResultsHash),
    wrapped(header.evidenceHash),
    wrapped(header.proposerAddress),
  ])
}

function wrapped(value: Uint8Array): Uint8Array {
  return new ProtoWriter().bytes(1, value).finish()
}
