import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import type { Ed25519PeerId, PeerId } from '@libp2p/interface'
import { peerIdFromPublicKey, peerIdFromString } from '@libp2p/peer-id'
import { XcareError } from '../errors.ts'
import type { NodeId } from '../ids.ts'

const PUBLIC_KEY_BYTES = 32

/**
 * @param publicKey Ed25519 public key, 32 bytes.
 * @returns the peer id text of the node that holds its private key. Source: libp2p peer id specification, identity multihash.
 * @throws XcareError MALFORMED for another length.
 */
export function nodeIdFromPublicKey(publicKey: Uint8Array): NodeId {
  if (publicKey.length !== PUBLIC_KEY_BYTES)
    throw new XcareError(
      'MALFORMED',
      `an Ed25519 public key has ${PUBLIC_KEY_BYTES} bytes, got ${publicKey.length}`,
    )
  return peerIdFromPublicKey(publicKeyFromRaw(publicKey)).toString() as NodeId
}

/** @returns the 32-byte Ed25519 public key inside `nodeId`. @throws XcareError MALFORMED when it is not such a peer id. */
export function publicKeyOfNodeId(nodeId: string): Uint8Array {
  return parseNodeId(nodeId).publicKey.raw.slice()
}

/** @returns the library's form of `nodeId`. @throws XcareError MALFORMED unless it is the canonical text of an Ed25519 peer id. */
export function parseNodeId(nodeId: string): Ed25519PeerId {
  let parsed: PeerId
  try {
    parsed = peerIdFromString(nodeId)
  } catch (cause) {
    throw new XcareError('MALFORMED', `"${nodeId.slice(0, 80)}" is not a node id`, { cause })
  }
  if (parsed.type !== 'Ed25519' || parsed.toString() !== nodeId)
    throw new XcareError('MALFORMED', `"${nodeId.slice(0, 80)}" is not the id of an Ed25519 node`)
  return parsed as Ed25519PeerId
}
