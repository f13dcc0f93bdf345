import type { PeerId } from '@libp2p/interface'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { concat, utf8 } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { type ObjectId, objectIdToBytes } from '../ids.ts'

const RAW_CODEC = 0x55
const SHA256_CODE = 0x12
const LABEL = utf8('xcare/rec/v1')
const ADD_PROVIDER = 2

/** @returns the key under which holders of `objectId` are announced: CIDv1 of SHA-256("xcare/rec/v1" || object id). */
export function recordKey(objectId: ObjectId): CID {
  return CID.createV1(RAW_CODEC, Digest.create(SHA256_CODE, sha256(LABEL, objectIdToBytes(objectId))))
}

/** @returns the place of `key` in the space of the DHT, 32 bytes. */
export function kadIdOf(key: CID): Uint8Array {
  return sha256(key.multihash.bytes)
}

/** @returns the protobuf message "peer provides key, reachable at addresses" of the libp2p Kademlia specification. */
export function addProviderMessage(key: CID, peer: PeerId, addresses: readonly Uint8Array[]): Uint8Array {
  const info = [field(1, peer.toMultihash().bytes), ...addresses.map((address) => field(2, address))]
  return concat(Uint8Array.of(0x08, ADD_PROVIDER), field(2, key.multihash.bytes), field(9, concat(...info)))
}

function field(number: number, content: Uint8Array): Uint8Array {
  return concat(Uint8Array.of((number << 3) | 2), varint(content.length), content)
}

/** @returns `value` as a protobuf varint. */
export function varint(value: number): Uint8Array {
  const out: number[] = []
  let rest = value
  while (rest >= 0x80) {
    out.push((rest & 0x7f) | 0x80)
    rest >>>= 7
  }
  out.push(rest)
  return Uint8Array.from(out)
}
