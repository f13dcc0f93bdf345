import { z } from 'zod'
import { decodeCbor, encodeCbor } from './cbor.ts'
import { XcareError } from './errors.ts'

export type { ZodType } from 'zod'
export { z }

/** A byte string of exactly `length` bytes. */
export const bytes = (length: number) =>
  z.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.length === length,
    `expected ${length} bytes`,
  )

/** A byte string of at most `max` bytes. */
export const bytesMax = (max: number) =>
  z.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.length <= max,
    `expected at most ${max} bytes`,
  )

/** An integer from 0 to `max`. */
export const uint = (max = Number.MAX_SAFE_INTEGER) => z.int().min(0).max(max)

/** Text of 1 to `max` UTF-16 units without control characters. */
export const text = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^[^\p{Cc}]*$/u, 'control characters are not allowed')

/** A format that is stored or sent: deterministic CBOR of one shape. */
export interface Format<T> {
  /** Name used in errors. */
  readonly name: string
  /** @throws XcareError INTERNAL when `value` does not have the shape, or takes more than readers accept. */
  encode(value: T): Uint8Array
  /** @throws XcareError MALFORMED on more than `maxBytes`, other CBOR or another shape. */
  decode(bytes: Uint8Array): T
}

/** @param maxBytes cap on the encoded size. @returns the format named `name` with this shape. */
export function format<T>(name: string, maxBytes: number, shape: z.ZodType<T>): Format<T> {
  return {
    name,
    encode(value) {
      const checked = shape.safeParse(value)
      if (!checked.success)
        throw new XcareError('INTERNAL', `cannot write ${name}: ${firstIssue(checked.error)}`)
      const encoded = encodeCbor(checked.data)
      // Whatever is written can be read: one number for both.
      if (encoded.length > maxBytes)
        throw new XcareError('INTERNAL', `cannot write ${name}: ${tooMany(encoded.length, maxBytes)}`)
      return encoded
    },
    decode(input) {
      if (input.length > maxBytes)
        throw new XcareError('MALFORMED', `${name}: ${tooMany(input.length, maxBytes)}`)
      const value = decodeCbor(input)
      const checked = shape.safeParse(value)
      if (!checked.success) throw new XcareError('MALFORMED', `${name}: ${firstIssue(checked.error)}`)
      // Zod takes an empty byte string for an object without fields.
      if (value instanceof Uint8Array && !(checked.data instanceof Uint8Array))
        throw new XcareError('MALFORMED', `${name}: a byte string where a map is due`)
      return checked.data
    },
  }
}

const tooMany = (length: number, maxBytes: number) => `${length} bytes, at most ${maxBytes} allowed`

function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0]
  return issue ? `${issue.path.join('.') || 'value'}: ${issue.message}` : 'wrong shape'
}
