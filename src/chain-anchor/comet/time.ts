import { XcareError } from '../../errors.ts'
import { type Timestamp, ZERO_TIME } from './types.ts'

const NANOS_PER_SECOND = 1_000_000_000
const SECONDS_MAX = 253_402_300_799
const RFC3339 = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/

/** @returns the timestamp of `ms` milliseconds since 1970. */
export function timeFromMs(ms: number): Timestamp {
  const seconds = Math.floor(ms / 1000)
  return { seconds, nanos: Math.round(ms - seconds * 1000) * 1_000_000 }
}

/** @returns milliseconds since 1970, rounded down. */
export function timeToMs(time: Timestamp): number {
  return time.seconds * 1000 + Math.floor(time.nanos / 1_000_000)
}

/** @returns below, at or above zero as `a` is before, at or after `b`. */
export function compareTime(a: Timestamp, b: Timestamp): number {
  return a.seconds - b.seconds || a.nanos - b.nanos
}

/** @returns `time` moved by `ms` milliseconds, which may be negative. */
export function addMs(time: Timestamp, ms: number): Timestamp {
  const nanos = time.nanos + (ms % 1000) * 1_000_000
  const carry = Math.floor(nanos / NANOS_PER_SECOND)
  return { seconds: time.seconds + Math.trunc(ms / 1000) + carry, nanos: nanos - carry * NANOS_PER_SECOND }
}

/** @returns `time` itself. @throws XcareError MALFORMED outside the years 1 to 9999 or with wrong nanoseconds. */
export function checkTime(time: Timestamp): Timestamp {
  const { seconds, nanos } = time
  const valid =
    seconds >= ZERO_TIME.seconds && seconds <= SECONDS_MAX && nanos >= 0 && nanos < NANOS_PER_SECOND
  if (!valid || !Number.isSafeInteger(seconds) || !Number.isInteger(nanos))
    throw new XcareError('MALFORMED', 'a timestamp is out of range')
  return time
}

/** @returns RFC 3339 text in UTC with up to nine fractional digits, trailing zeros dropped, as Go writes it. */
export function timeToText(time: Timestamp): string {
  const date = new Date(time.seconds * 1000).toISOString().slice(0, 19)
  const fraction = time.nanos.toString().padStart(9, '0').replace(/0+$/, '')
  return fraction === '' ? `${date}Z` : `${date}.${fraction}Z`
}

/** @returns the timestamp of RFC 3339 `text` in UTC. @throws XcareError MALFORMED on anything else. */
export function timeFromText(text: string): Timestamp {
  const match = RFC3339.exec(text)
  const ms = match ? Date.parse(`${match[1]}Z`) : Number.NaN
  if (!match || Number.isNaN(ms))
    throw new XcareError('MALFORMED', `"${text.slice(0, 40)}" is not a UTC time`)
  return checkTime({ seconds: ms / 1000, nanos: Number((match[2] ?? '').padEnd(9, '0')) })
}
