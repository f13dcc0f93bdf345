import { assert } from '../../assert.ts'
import { XcareError } from '../../errors.ts'

/** The longest varint: 64 bits in groups of seven. */
const VARINT_BYTES_MAX = 10

const LOW = 0x7fn
const UINT64_MAX = 0xffff_ffff_ffff_ffffn

/**
 * @param value a safe integer or any 64-bit integer; negative values are written as 64-bit two's complement.
 * @returns its unsigned LEB128 form, 1 to 10 bytes. Source: protobuf encoding, base 128 varints.
 */
export function encodeVarint(value: number | bigint): Uint8Array {
  if (typeof value === 'number' && value >= 0 && value < 0x80) return Uint8Array.of(value)
  assert(typeof value === 'bigint' || Number.isSafeInteger(value), 'a varint is an integer')
  let rest = BigInt.asUintN(64, BigInt(value))
  const out: number[] = []
  while (rest > LOW) {
    out.push(Number(rest & LOW) | 0x80)
    rest >>= 7n
  }
  out.push(Number(rest))
  return Uint8Array.from(out)
}

/** A varint found in a byte array: its value as an unsigned 64-bit integer and the offset just after it. */
export interface FoundVarint {
  value: bigint
  end: number
}

/**
 * Reads the varint that starts at `at`. Forms with needless zero groups are accepted, as upstream does.
 * @throws XcareError MALFORMED when it is cut, longer than 10 bytes or above 64 bits.
 */
export function decodeVarint(bytes: Uint8Array, at: number): FoundVarint {
  const first = bytes[at]
  if (first !== undefined && first < 0x80) return { value: BigInt(first), end: at + 1 }
  let value = 0n
  for (let index = 0; index < VARINT_BYTES_MAX; index++) {
    const byte = bytes[at + index]
    if (byte === undefined) throw new XcareError('MALFORMED', 'a varint is cut off')
    value |= BigInt(byte & 0x7f) << BigInt(7 * index)
    if (byte >= 0x80) continue
    if (value > UINT64_MAX) break
    return { value, end: at + index + 1 }
  }
  throw new XcareError('MALFORMED', 'a varint has more than 64 bits')
}
