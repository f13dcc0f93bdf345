import { XcareError } from '../errors.ts'

const UNITS_MS = { m: 60_000, h: 3_600_000, d: 24 * 3_600_000 } as const

/** @param text a span such as `30d`, `12h`, `15m`, or an ISO date. @returns the moment in ms. @throws XcareError USAGE when it is neither or lies in the past. */
export function parseUntil(text: string, nowMs: number): number {
  const span = /^(\d{1,6})([mhd])$/.exec(text)
  const untilMs = span
    ? nowMs + Number(span[1]) * UNITS_MS[span[2] as keyof typeof UNITS_MS]
    : Date.parse(text)
  if (!Number.isFinite(untilMs))
    throw new XcareError('USAGE', `"${text.slice(0, 40)}" is not a time`, {
      next: 'write for example 30d, 12h or 2027-03-01',
    })
  if (untilMs <= nowMs) throw new XcareError('USAGE', `${text} lies in the past`)
  return untilMs
}
