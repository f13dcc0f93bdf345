import { decode, encode, rfc8949EncodeOptions } from 'cborg'
import { equalBytes } from './bytes.ts'
import { XcareError } from './errors.ts'

/** @returns the one deterministic CBOR form of `value` (RFC 8949 4.2.1). Plain objects, arrays, byte arrays, text, booleans, null and safe integers only. */
export function encodeCbor(value: unknown): Uint8Array {
  return encode(value, rfc8949EncodeOptions)
}

/**
 * Reads deterministic CBOR and nothing else: indefinite lengths, long forms, unsorted or repeated keys, floats, tags,
 * undefined and trailing bytes are refused. Spec: docs/spec/encoding.md.
 * @throws XcareError MALFORMED
 */
export function decodeCbor(bytes: Uint8Array): unknown {
  let value: unknown
  try {
    value = decode(bytes, {
      allowIndefinite: false,
      allowUndefined: false,
      allowInfinity: false,
      allowNaN: false,
      allowBigInt: false,
      strict: true,
      rejectDuplicateMapKeys: true,
      useMaps: false,
    })
  } catch (cause) {
    throw new XcareError('MALFORMED', 'not valid CBOR', { cause })
  }
  // Re-encoding is what proves the map order and the absence of floats that are integers.
  if (!equalBytes(encodeCbor(value), bytes)) throw new XcareError('MALFORMED', 'CBOR is not in its deterministic form')
  return value
}
