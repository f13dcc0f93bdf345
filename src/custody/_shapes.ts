import { NETWORK_NAME } from '../ids.ts'
import { CUSTODY_GUARDIANS_MAX, DID_TEXT_MAX, PEER_ID_TEXT_MAX } from '../limits.ts'
import { bytes, text, uint, z } from '../schema.ts'

/** Chain id. */
export const network = z.string().regex(NETWORK_NAME)
/** Peer id text of a guardian. */
export const guardianId = text(PEER_ID_TEXT_MAX)
/** Decentralised identifier. */
export const did = text(DID_TEXT_MAX)
/** The 32 bytes that name an object. */
export const objectId = bytes(32)
/** The 16 bytes that name a grant. */
export const grantId = bytes(16)
/** SHA-256 hash, Ed25519 public key, salt, nonce. */
export const bytes32 = bytes(32)
/** X-Wing public key. */
export const kemKey = bytes(1216)
/** Position of a guardian in a custody record, from zero. */
export const index = uint(CUSTODY_GUARDIANS_MAX - 1)
/** Version of an object, epoch of its custody record. */
export const fromOne = uint(2 ** 32 - 1).min(1)
/** Milliseconds since 1970 UTC. */
export const timeMs = uint()
/** Merkle path through the commitments of one custody record. */
export const path = z.array(bytes(32)).max(Math.ceil(Math.log2(CUSTODY_GUARDIANS_MAX)))
