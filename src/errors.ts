/** Every way an operation can end badly, with its exit code. The list is closed: a new case needs a new line here. */
const CODES = {
  INTERNAL: { exit: 1, retryable: false },
  USAGE: { exit: 2, retryable: false },
  FILE_UNREADABLE: { exit: 2, retryable: false },
  PARTIAL: { exit: 3, retryable: true },
  REGRESSION: { exit: 3, retryable: false },
  NOT_INITIALISED: { exit: 10, retryable: false },
  LOCKED: { exit: 11, retryable: true },
  WRONG_PASSPHRASE: { exit: 12, retryable: false },
  NO_SPACE: { exit: 13, retryable: false },
  QUOTA_FULL: { exit: 13, retryable: false },
  PORT_IN_USE: { exit: 14, retryable: true },
  CLOCK_SKEW: { exit: 15, retryable: false },
  OFFLINE: { exit: 16, retryable: true },
  TOO_FEW_NODES: { exit: 16, retryable: true },
  TOO_FEW_GUARDIANS: { exit: 16, retryable: true },
  TOO_FEW_FRAGMENTS: { exit: 17, retryable: true },
  NO_GRANT: { exit: 18, retryable: false },
  INTEGRITY: { exit: 19, retryable: false },
  MALFORMED: { exit: 19, retryable: false },
  REFUSED: { exit: 19, retryable: false },
  NOT_FOUND: { exit: 2, retryable: false },
  TIMEOUT: { exit: 75, retryable: true },
  BUSY: { exit: 75, retryable: true },
  INTERRUPTED: { exit: 130, retryable: true },
} as const

/** The name of one way to fail. */
export type ErrorCode = keyof typeof CODES

/** The one error class. `message` is a sentence for people; `next` tells what they can do. */
export class XcareError extends Error {
  readonly code: ErrorCode
  readonly next: string | null

  /** @param message one plain sentence. @param options `cause` is kept for logs, `next` is shown to people. */
  constructor(code: ErrorCode, message: string, options: { cause?: unknown; next?: string } = {}) {
    super(message, { cause: options.cause })
    this.name = 'XcareError'
    this.code = code
    this.next = options.next ?? null
  }

  /** Exit code of the process that ends with this error. Source: docs/spec/errors.md. */
  get exitCode(): number {
    return CODES[this.code].exit
  }

  /** Whether the same call may succeed later without any change. */
  get retryable(): boolean {
    return CODES[this.code].retryable
  }
}

/** @returns whether `text` is a code of the closed list; used when a code arrives over the wire. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(CODES, text)
}

/** @returns every code with its exit code, for the catalogue and its test. */
export function errorCatalogue(): { code: ErrorCode; exit: number; retryable: boolean }[] {
  return (Object.keys(CODES) as ErrorCode[]).map((code) => ({ code, ...CODES[code] }))
}

/** @returns `error` itself when it is ours, else an INTERNAL error that keeps it as cause. */
export function asXcareError(error: unknown): XcareError {
  if (error instanceof XcareError) return error
  return new XcareError('INTERNAL', error instanceof Error ? error.message : String(error), { cause: error })
}
