import { base32 } from 'multiformats/bases/base32'
import { base58btc } from 'multiformats/bases/base58'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { XcareError } from './errors.ts'

declare const brand: unique symbol
/** Base32 text (with its multibase letter `b`) of the 32 random bytes that name an object. Reveals nothing. */
export type ObjectId = string & { readonly [brand]: 'ObjectId' }
/** libp2p peer id text of a storage node or guardian. */
export type NodeId = string & { readonly [brand]: 'NodeId' }
/** `did:xcare:<network>:<id>`. */
export type Did = string & { readonly [brand]: 'Did' }

const RAW_CODEC = 0x55
const BLAKE3_CODE = 0x1e
const OBJECT_ID_BYTES = 32

/** @param id 32 bytes. @returns its text form, 53 characters. */
export function objectIdFromBytes(id: Uint8Array): ObjectId {
  if (id.length !== OBJECT_ID_BYTES)
    throw new XcareError('MALFORMED', `an object id has 32 bytes, got ${id.length}`)
  return base32.encode(id) as ObjectId
}

/** @returns the 32 bytes of `id`. @throws XcareError MALFORMED when the text is not one. */
export function objectIdToBytes(id: string): Uint8Array {
  let id32: Uint8Array
  try {
    id32 = base32.decode(id)
  } catch (cause) {
    throw new XcareError('MALFORMED', `"${id.slice(0, 60)}" is not an object id`, { cause })
  }
  if (objectIdFromBytes(id32) !== id)
    throw new XcareError('MALFORMED', `"${id.slice(0, 60)}" is not an object id`)
  return id32
}

/** Grammar of a network's name (its chain id), which is the middle of every DID. */
export const NETWORK_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,49}$/

/** @param inceptionHash 32 bytes: SHA-256 of the signed inception event. @returns the DID on `network`. @throws XcareError MALFORMED */
export function didOf(network: string, inceptionHash: Uint8Array): Did {
  if (!NETWORK_NAME.test(network)) throw new XcareError('MALFORMED', 'not the name of a network')
  return `did:xcare:${network}:${objectIdFromBytes(inceptionHash)}` as Did
}

/** @returns the parts of a DID. @throws XcareError MALFORMED when the text is not one. */
export function parseDid(text: string): { did: Did; network: string; inceptionHash: Uint8Array } {
  const [scheme, method, network, id, ...rest] = text.split(':')
  if (scheme !== 'did' || method !== 'xcare' || !network || !id || rest.length > 0)
    throw new XcareError('MALFORMED', `"${text.slice(0, 60)}" is not a DID of this system`)
  const inceptionHash = objectIdToBytes(id)
  return { did: didOf(network, inceptionHash), network, inceptionHash }
}

/** @param hash 32-byte BLAKE3 hash of a fragment. @returns its CIDv1 text (raw codec). */
export function fragmentCid(hash: Uint8Array): string {
  return CID.createV1(RAW_CODEC, Digest.create(BLAKE3_CODE, hash)).toString()
}

/** @returns the BLAKE3 hash inside a fragment's CID. @throws XcareError MALFORMED for any other CID. */
export function fragmentHashOf(cid: string): Uint8Array {
  let parsed: CID
  try {
    parsed = CID.parse(cid)
  } catch (cause) {
    throw new XcareError('MALFORMED', 'not a CID', { cause })
  }
  const { version, code, multihash } = parsed
  if (
    version !== 1 ||
    code !== RAW_CODEC ||
    multihash.code !== BLAKE3_CODE ||
    multihash.size !== 32 ||
    parsed.toString() !== cid
  )
    throw new XcareError('MALFORMED', 'not the CID of a fragment')
  return multihash.digest
}

// Identity multihash of the protobuf message {1: Ed25519, 2: key}. Source: libp2p peer id specification.
const ED25519_PEER_ID = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20]

/** @param publicKey Ed25519, 32 bytes. @returns the libp2p peer id text that follows from it. */
export function nodeIdOfKey(publicKey: Uint8Array): NodeId {
  if (publicKey.length !== 32)
    throw new XcareError('MALFORMED', `an Ed25519 key has 32 bytes, got ${publicKey.length}`)
  return base58btc.baseEncode(Uint8Array.from([...ED25519_PEER_ID, ...publicKey])) as NodeId
}
