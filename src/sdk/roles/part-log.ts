import { copyFileSync, statSync, truncateSync } from 'node:fs'
import { PART_LOG_BYTES_MAX, PART_REPORT_MS } from '../../limits.ts'
import type { Progress, XcareEvent } from '../../ports.ts'
import { systemClock } from '../clock.ts'

/**
 * Names the file that takes a part's lines when whoever started it gave it one: that file may be cut, any
 * other is its owner's.
 */
export const PART_LOG_VARIABLE = 'XCARE_PART_LOG'

/** Where a part's lines go. */
export interface PartLog {
  event: Progress
  /** Asks `report` now and then and logs its line when that has changed. */
  reportFrom(report: (() => Promise<string>) | null): { stop(): void }
}

/** A line for machines. */
const jsonLine = (event: XcareEvent, nowMs: number): string =>
  JSON.stringify({ time: new Date(nowMs).toISOString(), ...event })

/** Opens the log of this process on its standard output. @param line makes a line of an event. */
export function openPartLog(line: (event: XcareEvent, nowMs: number) => string = jsonLine): PartLog {
  const file = process.env[PART_LOG_VARIABLE] ?? null
  let bytes = file === null ? 0 : sizeOf(file)
  const event = (what: XcareEvent) => {
    const text = `${line(what, systemClock.nowMs())}\n`
    process.stdout.write(text)
    if (file === null) return
    bytes += text.length
    if (bytes > PART_LOG_BYTES_MAX) bytes = turn(file)
  }
  return { event, reportFrom: (report) => reportTo(event, report) }
}

function reportTo(event: Progress, report: (() => Promise<string>) | null): { stop(): void } {
  const stopping = new AbortController()
  const run = async (ask: () => Promise<string>) => {
    let last = ''
    for (;;) {
      const text = await ask().catch(() => last)
      if (stopping.signal.aborted) return
      if (text !== last) event({ type: 'report', text })
      last = text
      await systemClock.sleep(PART_REPORT_MS, stopping.signal)
    }
  }
  if (report) run(report).catch(() => {})
  return { stop: () => stopping.abort() }
}

/**
 * Keeps what was written as the one older file, and begins anew: whoever has the file open appends to its
 * end, wherever that is.
 */
function turn(file: string): number {
  try {
    copyFileSync(file, `${file}.1`)
    truncateSync(file, 0)
    return 0
  } catch {
    // Without a place for the older lines they stay where they are.
    return 0
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0
}

/** Tells whoever started this process, if it waits for that. */
export async function tellParent(message: Record<string, unknown>): Promise<void> {
  if (!process.send || !process.connected) return
  await new Promise<void>((resolve) => process.send?.(message, undefined, {}, () => resolve()))
  if (process.connected) process.disconnect()
}
