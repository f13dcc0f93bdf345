import { concat } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'

/** DER tags used by certificates. Source: X.690. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  version: 0xa0,
  extensions: 0xa3,
} as const

/** One DER element: `content` without, `whole` with its tag and length. Both are views. */
export interface DerElement {
  tag: number
  content: Uint8Array
  whole: Uint8Array
}

/** @returns the DER form of one element whose content is `parts` joined. */
export function der(tag: number, ...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const content = concat(...parts)
  return new Uint8Array(concat(Uint8Array.of(tag), derLength(content.length), content))
}

function derLength(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length)
  if (length < 0x100) return Uint8Array.of(0x81, length)
  return Uint8Array.of(0x82, length >> 8, length & 0xff)
}

/** @returns the elements that fill `bytes`. @throws XcareError MALFORMED on lengths in long form without need, above 64 KiB, or past the end. */
export function readDer(bytes: Uint8Array): DerElement[] {
  const elements: DerElement[] = []
  let at = 0
  while (at < bytes.length) {
    const element = readElement(bytes, at)
    elements.push(element)
    at += element.whole.length
  }
  return elements
}

/** @returns the elements inside `element`, which must have `tag`. @throws XcareError MALFORMED */
export function derChildren(element: DerElement | undefined, tag: number): DerElement[] {
  return readDer(derContent(element, tag))
}

/** @returns the content of `element`, which must have `tag`. @throws XcareError MALFORMED */
export function derContent(element: DerElement | undefined, tag: number): Uint8Array {
  if (element?.tag !== tag) throw malformed()
  return element.content
}

function readElement(bytes: Uint8Array, start: number): DerElement {
  const tag = bytes[start]!
  const first = bytes[start + 1]
  if (first === undefined || (tag & 0x1f) === 0x1f) throw malformed()
  let length = first
  let at = start + 2
  if (first >= 0x80) {
    const count = first - 0x80
    if (count < 1 || count > 2 || at + count > bytes.length) throw malformed()
    length = 0
    for (let index = 0; index < count; index++) length = length * 256 + bytes[at++]!
    if (length < (count === 1 ? 0x80 : 0x100)) throw malformed()
  }
  if (at + length > bytes.length) throw malformed()
  return { tag, content: bytes.subarray(at, at + length), whole: bytes.subarray(start, at + length) }
}

function malformed(): XcareError {
  return new XcareError('MALFORMED', 'the certificate of the remote is not valid DER')
}
