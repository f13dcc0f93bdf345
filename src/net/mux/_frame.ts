/** Kinds of yamux frames. Source: the yamux specification, as libp2p uses it. */
export const FRAME = { data: 0, window: 1, ping: 2, goAway: 3 } as const
/** Flags of a frame: stream begins, is accepted, ends, is torn down. A ping carries the first, its answer the second. */
export const FLAG = { syn: 1, ack: 2, fin: 4, rst: 8 } as const
/** Bytes of a frame's header. */
export const FRAME_HEADER_BYTES = 12
const VERSION = 0

/** Header of one frame; `length` counts body bytes of a data frame and means something else in every other. */
export interface FrameHeader {
  type: number
  flags: number
  stream: number
  length: number
}

/** @returns the header of a frame. */
export function encodeFrameHeader(type: number, flags: number, stream: number, length: number): Uint8Array {
  const header = new Uint8Array(FRAME_HEADER_BYTES)
  header[0] = VERSION
  header[1] = type
  header[3] = flags
  putU32(header, 4, stream)
  putU32(header, 8, length)
  return header
}

/** @returns the header in `bytes` at `at`, or null when it is not one of this version. */
export function decodeFrameHeader(bytes: Uint8Array, at: number): FrameHeader | null {
  const type = bytes[at + 1]!
  if (bytes[at] !== VERSION || type > FRAME.goAway) return null
  return {
    type,
    flags: bytes[at + 2]! * 256 + bytes[at + 3]!,
    stream: getU32(bytes, at + 4),
    length: getU32(bytes, at + 8),
  }
}

function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

function getU32(bytes: Uint8Array, at: number): number {
  return bytes[at]! * 0x1000000 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!)
}
