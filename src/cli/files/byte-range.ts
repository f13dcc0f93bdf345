import { XcareError } from '../../errors.ts'

/** Bytes from `first` on, up to `end`, which is not among them; `end` may be infinite. */
export interface ByteRange {
  first: number
  end: number
}

/**
 * @param text the first and the last byte, counted from 0: `0-99`; or the first alone: `4096-`.
 * @throws XcareError USAGE
 */
export function parseByteRange(text: string): ByteRange {
  const found = /^(\d{1,15})-(\d{1,15})?$/.exec(text)
  const first = Number(found?.[1] ?? Number.NaN)
  const end = found?.[2] === undefined ? Number.POSITIVE_INFINITY : Number(found[2]) + 1
  if (first < end) return { first, end }
  throw new XcareError('USAGE', `"${text.slice(0, 40)}" is no range of bytes`, {
    next: 'write the first and the last one, for example 0-99, or 4096- for all from there on',
  })
}
