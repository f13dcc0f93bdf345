import { asXcareError, XcareError } from '../errors.ts'
import type { XcareEvent } from '../ports.ts'
import { type Channel, channelOf, hasNoReader } from './channel.ts'
import { plainText, sentenceOf } from './sentences.ts'
import { cutTo, wrapped } from './wrap.ts'

/** Where a command's events go: one JSON line each, or plain sentences with a progress line. */
export interface Output {
  readonly json: boolean
  /** Shows one event. */
  event(event: XcareEvent): void
  /** Shows the last event of a command that did what was asked, or with `exitCode` 3 a part of it. */
  result(fields: Record<string, unknown>): void
  /** Shows the last event of a command that failed; the process then ends with the error's exit code. */
  fail(error: unknown): XcareError
  /**
   * Waits until all is written.
   * @returns what kept words from arriving, or null; that nobody reads them is no failure.
   */
  settled(): Promise<XcareError | null>
  /** Resolves when nobody reads these words any more. */
  readonly gone: Promise<void>
}

/** How words are shown. */
export interface OutputChoice {
  /** Lines for machines. */
  json: boolean
  /** The standard output carries a record and nothing else: all words go to the standard error. */
  carriesRecord: boolean
  /** Makes commands in our own sentences those of the folder and the wallet in use. */
  hints: (text: string) => string
}

/** @returns the output on this process's stdout and stderr. */
export function openOutput({ json, carriesRecord, hints }: OutputChoice): Output {
  const words = channelOf(carriesRecord ? 2 : 1)
  return {
    json,
    ...(json ? jsonLines(words, hints) : sentences(words, channelOf(2), hints)),
    gone: words.gone,
    async settled() {
      await words.settled()
      const failure = words.failure()
      // Words that the standard error does not take change nothing.
      if (!failure || carriesRecord || hasNoReader(failure)) return null
      return unwritten(failure, 'what was asked for is done')
    },
  }
}

/**
 * @param but what went well all the same.
 * @returns the error for a standard output that did not take what was written.
 */
export function unwritten(cause: NodeJS.ErrnoException, but?: string): XcareError {
  const what = `the standard output could not be written${but ? `; ${but}` : ''}`
  if (cause.code === 'ENOSPC' || cause.code === 'EDQUOT' || cause.code === 'EFBIG')
    return new XcareError('NO_SPACE', `the disk is full: ${what}`, {
      cause,
      next: 'free some space on that disk, or write to another one',
    })
  return new XcareError('FILE_UNREADABLE', `${what} (${cause.code})`, {
    cause,
    next: 'write to another place',
  })
}

type Lines = Pick<Output, 'event' | 'result' | 'fail'>

function jsonLines(words: Channel, hints: OutputChoice['hints']): Lines {
  const line = (event: XcareEvent) => {
    const told = { ...event }
    for (const field of ['text', 'next'])
      if (typeof told[field] === 'string') told[field] = hints(told[field])
    void words.write(`${JSON.stringify(told)}\n`)
  }
  return {
    event: line,
    result: (fields) => line({ type: 'result', ok: !fields.exitCode, ...fields }),
    fail(error) {
      const known = asXcareError(error)
      const { code, message, next, exitCode, retryable } = known
      line({ type: 'result', ok: false, code, message, ...(next ? { next } : {}), exitCode, retryable })
      return known
    },
  }
}

function sentences(words: Channel, errors: Channel, hints: OutputChoice['hints']): Lines {
  let shown = false
  const clear = () => {
    if (shown) void errors.write('\r\u001b[K')
    shown = false
  }
  const say = (channel: Channel, text: string) => {
    clear()
    void channel.write(`${wrapped(hints(text), channel.columns())}\n`)
  }
  const show = (event: XcareEvent) => {
    const { text, passing } = sentenceOf(event)
    if (text === null) return
    const columns = errors.columns()
    if (!passing) say(words, text)
    else if (columns !== null) {
      void errors.write(`\r${cutTo(text, columns - 1)}\u001b[K`)
      shown = true
    }
  }
  const sayError = (kind: string, { message, next }: { message: string; next: string | null }) => {
    say(errors, `${kind}: ${plainText(message)}`)
    if (next) say(errors, `  next: ${plainText(next)}`)
  }
  return {
    event: show,
    result(fields) {
      show({ type: 'result', ...fields })
      if (fields.code === 'PARTIAL')
        sayError('incomplete', { message: String(fields.message), next: (fields.next as string) ?? null })
      clear()
    },
    fail(error) {
      const known = asXcareError(error)
      sayError('error', known)
      if (process.env.XCARE_DEBUG) say(errors, `${known.stack}`)
      return known
    },
  }
}
