import { u32be } from '../bytes.ts'
import { XcareError } from '../errors.ts'

/** Bytes before the header: the op and the header's length. */
const PREFIX_BYTES = 5

/** One frame, cut into its parts. Both parts are views into the frame. */
export interface FrameParts {
  op: number
  header: Uint8Array
  body: Uint8Array
}

/**
 * One frame is `op byte || u32be header length || header || body`. Spec: docs/spec/fragment-protocol.md.
 * @returns the parts to send in this order. The body is passed on, not copied.
 */
export function joinFrame(op: number, header: Uint8Array, body: Uint8Array | null): Uint8Array[] {
  const head = new Uint8Array(PREFIX_BYTES + header.length)
  head[0] = op
  head.set(u32be(header.length), 1)
  head.set(header, PREFIX_BYTES)
  return body === null || body.length === 0 ? [head] : [head, body]
}

/** @returns the parts of `frame`, as views. @throws XcareError MALFORMED when it is shorter than it says. */
export function splitFrame(frame: Uint8Array): FrameParts {
  if (frame.length < PREFIX_BYTES)
    throw new XcareError('MALFORMED', `a frame of ${frame.length} bytes has no header`)
  const headerLength = new DataView(frame.buffer, frame.byteOffset, PREFIX_BYTES).getUint32(1)
  const bodyAt = PREFIX_BYTES + headerLength
  if (bodyAt > frame.length) throw new XcareError('MALFORMED', 'a frame ends inside its header')
  return { op: frame[0]!, header: frame.subarray(PREFIX_BYTES, bodyAt), body: frame.subarray(bodyAt) }
}
