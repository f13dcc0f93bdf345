import {
  ADDRESS_TEXT_MAX,
  ADDRESSES_MAX,
  CUSTODY_GUARDIANS_MAX,
  DID_TEXT_MAX,
  INST_ID_MAX,
  LABEL_TEXT_MAX,
  PEER_ID_TEXT_MAX,
  POSITIONS_MAX_GF16,
} from '../../limits.ts'
import { bytes, bytesMax, text, uint, z } from '../../schema.ts'

/** Ed25519 public key. */
export const signKey = bytes(32)
/** X-Wing public key. */
export const kemKey = bytes(1216)
/** SHA-256 hash. */
export const hash = bytes(32)
/** The 32 bytes that name an object. */
export const objectId = bytes(32)
/** The 16 bytes that name a grant. */
export const grantId = bytes(16)
/** Short name of an institution: lower-case letters, digits, inner hyphens. */
export const instId = z
  .string()
  .max(INST_ID_MAX)
  .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, 'expected lower-case letters, digits and inner hyphens')
/** libp2p peer id text. */
export const peerId = text(PEER_ID_TEXT_MAX)
/** Decentralised identifier; the modules check that it follows from the keys. */
export const did = text(DID_TEXT_MAX)
/** Short text: network, region, jurisdiction. */
export const label = text(LABEL_TEXT_MAX)
/** Multiaddr texts without the peer id. */
export const addresses = z.array(text(ADDRESS_TEXT_MAX)).max(ADDRESSES_MAX)
/** What an institution may do. */
export const roles = z.array(z.enum(['storage', 'guardian', 'provider', 'research', 'insurer'])).max(5)
/** Share of time a node answered, in millionths. */
export const availabilityPpm = uint(1_000_000)
/** Threshold or total of an erasure code. */
export const positions = uint(POSITIONS_MAX_GF16).min(1)
/** Bit j, least significant first, tells that column j is stored. */
export const columnBitmap = bytesMax(POSITIONS_MAX_GF16 / 8)
/** Columns that are not where the slot table puts them. */
export const moved = z
  .array(z.strictObject({ column: uint(POSITIONS_MAX_GF16 - 1), nodeId: peerId }))
  .max(512)
/** Guardians of one object, in share order. */
export const guardianIds = z.array(peerId).min(1).max(CUSTODY_GUARDIANS_MAX)
/** A count or number that starts at one. */
export const fromOne = uint().min(1)
