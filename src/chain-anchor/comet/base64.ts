import { XcareError } from '../../errors.ts'

const BLOCK = 8192
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

/** @returns standard base64 of `bytes`, padded. */
export function toBase64(bytes: Uint8Array): string {
  let binary = ''
  for (let at = 0; at < bytes.length; at += BLOCK)
    binary += String.fromCharCode(...bytes.subarray(at, at + BLOCK))
  return btoa(binary)
}

/** @returns the bytes of standard, padded base64. @throws XcareError MALFORMED on anything else or more than `maxBytes`. */
export function fromBase64(text: string, maxBytes: number): Uint8Array {
  if (text.length % 4 !== 0 || text.length > Math.ceil(maxBytes / 3) * 4 || !BASE64.test(text))
    throw new XcareError('MALFORMED', 'not base64')
  const binary = atob(text)
  const out = new Uint8Array(binary.length)
  for (let at = 0; at < out.length; at++) out[at] = binary.charCodeAt(at)
  // Unused bits of the last group must be zero, so that bytes have one text.
  if (
    out.length > maxBytes ||
    toBase64(out.subarray(out.length - (out.length % 3))) !== text.slice(text.length - tail(out))
  )
    throw new XcareError('MALFORMED', 'not base64')
  return out
}

function tail(bytes: Uint8Array): number {
  return bytes.length % 3 === 0 ? 0 : 4
}
