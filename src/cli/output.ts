import { asXcareError, type XcareError } from '../errors.ts'
import type { XcareEvent } from '../ports.ts'
import { plainText, sentenceOf } from './sentences.ts'

/** Where a command's events go: one JSON line each, or plain sentences with a progress line. */
export interface Output {
  readonly json: boolean
  /** Shows one event. */
  event(event: XcareEvent): void
  /** Shows the last event of a command that went well. */
  result(fields: Record<string, unknown>): void
  /** Shows the last event of a command that failed; the process then ends with the error's exit code. */
  fail(error: unknown): XcareError
}

/** @param json whether lines are for machines. @returns the output on this process's stdout and stderr. */
export function openOutput(json: boolean): Output {
  return json ? jsonOutput() : terminalOutput()
}

function jsonOutput(): Output {
  const line = (event: XcareEvent) => process.stdout.write(`${JSON.stringify(event)}\n`)
  return {
    json: true,
    event: line,
    result: (fields) => line({ type: 'result', ok: true, ...fields }),
    fail(error) {
      const known = asXcareError(error)
      const { code, message, next, exitCode, retryable } = known
      line({ type: 'result', ok: false, code, message, ...(next ? { next } : {}), exitCode, retryable })
      return known
    },
  }
}

function terminalOutput(): Output {
  const live = process.stderr.isTTY === true
  let shown = false
  const clear = () => {
    if (shown) process.stderr.write('\r\u001b[K')
    shown = false
  }
  const show = (event: XcareEvent) => {
    const { text, passing } = sentenceOf(event)
    if (text === null) return
    clear()
    if (!passing) process.stdout.write(`${text}\n`)
    else if (live) {
      process.stderr.write(text.slice(0, (process.stderr.columns ?? 100) - 1))
      shown = true
    }
  }
  return {
    json: false,
    event: show,
    result: (fields) => show({ type: 'result', ...fields }),
    fail(error) {
      const known = asXcareError(error)
      clear()
      process.stderr.write(`error: ${plainText(known.message)}\n`)
      if (known.next) process.stderr.write(`  next: ${plainText(known.next)}\n`)
      if (process.env.XCARE_DEBUG) process.stderr.write(`${known.stack}\n`)
      return known
    },
  }
}
