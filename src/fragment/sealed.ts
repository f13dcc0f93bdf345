import { allZero, concat, u32be, utf8 } from '../bytes.ts'
import { openSmall, sealSmall } from '../crypto/secretbox.ts'
import { XcareError } from '../errors.ts'
import { OBJECT_BYTES_MAX, PARTS_MAX, SEALED_BYTES_MAX } from '../limits.ts'
import type { Random } from '../ports.ts'
import { bytes, format, uint, z } from '../schema.ts'
import { padme } from './layout.ts'
import type { ObjectName } from './object-keys.ts'
import { mediaType, recordName } from './record-name.ts'

const NONCE_BYTES = 24
const LENGTH_BYTES = 4
/** Shortest padded form, so that the length of a usual name does not show. */
const SEALED_BYTES_MIN = 512

/** What only readers of the object learn about it. */
export interface SealedManifest {
  /** Name of the record, as `recordName` allows; of a bundle or part the name of the whole. */
  name: string
  mediaType: string
  /** Plaintext bytes of this object. */
  length: number
  /** One record; several in a bundle; or one part of a record too large for one object. */
  kind: 'record' | 'bundle' | 'part'
  /** Of a record in parts: object ids in order, 32 bytes each, this object's own first. */
  parts?: Uint8Array[]
  /** Milliseconds since 1970 UTC. */
  createdMs: number
}

const content = format<SealedManifest>(
  'sealed manifest',
  SEALED_BYTES_MAX,
  z.strictObject({
    name: recordName,
    mediaType,
    length: uint(OBJECT_BYTES_MAX),
    kind: z.enum(['record', 'bundle', 'part']),
    parts: z.array(bytes(32)).min(1).max(PARTS_MAX).exactOptional(),
    createdMs: uint(),
  }),
)

/**
 * Seals the private part of a manifest, padded so that its length tells little.
 * @param key 32 bytes from `deriveObjectKeys`. @returns nonce, ciphertext and tag. Spec: docs/spec/manifest.md.
 * @throws XcareError USAGE when a field is out of range.
 */
export function sealPrivatePart(
  key: Uint8Array,
  name: ObjectName,
  sealed: SealedManifest,
  random: Random,
): Uint8Array {
  const encoded = encodeChecked(sealed)
  const padded = new Uint8Array(padme(Math.max(LENGTH_BYTES + encoded.length, SEALED_BYTES_MIN)))
  padded.set(u32be(encoded.length))
  padded.set(encoded, LENGTH_BYTES)
  return sealSmall(key, random.bytes(NONCE_BYTES), padded, boundTo(name))
}

/**
 * Opens what `sealPrivatePart` gave.
 * @throws XcareError INTEGRITY when it was altered or belongs to another object or version, MALFORMED when its content is not valid.
 */
export function openPrivatePart(key: Uint8Array, name: ObjectName, sealed: Uint8Array): SealedManifest {
  const padded = openSmall(key, sealed, boundTo(name))
  if (padded.length < SEALED_BYTES_MIN) throw malformed('too short')
  const length = new DataView(padded.buffer, padded.byteOffset, padded.length).getUint32(0)
  const expected = padme(Math.max(LENGTH_BYTES + length, SEALED_BYTES_MIN))
  if (padded.length !== expected) throw malformed('its padding has another length')
  if (!allZero(padded.subarray(LENGTH_BYTES + length))) throw malformed('its padding is not zeros')
  return content.decode(padded.subarray(LENGTH_BYTES, LENGTH_BYTES + length))
}

function encodeChecked({ parts, ...fields }: SealedManifest): Uint8Array {
  try {
    return content.encode(parts ? { ...fields, parts } : fields)
  } catch (cause) {
    throw new XcareError('USAGE', 'the name, type or length of the record is not allowed', { cause })
  }
}

function boundTo({ objectId, version }: ObjectName): Uint8Array {
  return concat(utf8('xcare/sealed/v1\0'), objectId, u32be(version))
}

function malformed(flaw: string): XcareError {
  return new XcareError('MALFORMED', `the private part of the manifest is not valid: ${flaw}`)
}
