import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { asXcareError, errorCatalogue, isErrorCode, XcareError } from '../../src/errors.ts'

describe('the catalogue of errors', () => {
  it('is the one printed in docs/spec/errors.md, row by row', () => {
    const spec = readFileSync(new URL('../../docs/spec/errors.md', import.meta.url), 'utf8')
    const rows = [...spec.matchAll(/^\| `([A-Z_]+)` \| (\d+) \| (yes|no) \|/gm)].map(
      ([, code, exit, again]) => ({
        code,
        exit: Number(exit),
        retryable: again === 'yes',
      }),
    )
    expect(rows).toEqual(errorCatalogue())
  })

  it('leaves exit code 0 to success and stays within a byte', () => {
    for (const { exit } of errorCatalogue()) expect(exit > 0 && exit < 256).toBe(true)
  })

  it('knows its own codes and no property of every object', () => {
    expect(['NO_GRANT', 'no_grant', 'toString', ''].map(isErrorCode)).toEqual([true, false, false, false])
  })
})

describe('XcareError', () => {
  it('carries code, sentence, cause and next step', () => {
    const cause = new Error('inner')
    const error = new XcareError('NO_SPACE', 'the disk is full', { cause, next: 'free some space' })
    expect(error).toMatchObject({
      code: 'NO_SPACE',
      message: 'the disk is full',
      cause,
      next: 'free some space',
      exitCode: 13,
      retryable: false,
    })
    expect(new XcareError('TIMEOUT', 'too slow')).toMatchObject({ next: null, exitCode: 75, retryable: true })
  })

  it('passes our errors on and wraps everything else as INTERNAL', () => {
    const own = new XcareError('USAGE', 'what?')
    expect(asXcareError(own)).toBe(own)
    expect(asXcareError(new TypeError('boom'))).toMatchObject({
      code: 'INTERNAL',
      message: 'boom',
      exitCode: 1,
    })
    expect(asXcareError('thrown text')).toMatchObject({ code: 'INTERNAL', message: 'thrown text' })
  })
})
