import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { partLine } from '../../src/cli/part/part-lines.ts'
import { PART_LOG_BYTES_MAX } from '../../src/limits.ts'
import { openPartLog, PART_LOG_VARIABLE } from '../../src/sdk/roles/part-log.ts'
import { scratchFolder } from './scratch.ts'

const scratch = scratchFolder()
afterEach(() => {
  vi.restoreAllMocks()
  delete process.env[PART_LOG_VARIABLE]
})

/** @returns what was written to the standard output. */
function heard(): string[] {
  const lines: string[] = []
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => lines.push(String(text)) > 0)
  return lines
}

test('every line of a part has its time, for machines and for people', () => {
  const lines = heard()
  openPartLog().event({ type: 'ready', nodeId: 'n' })
  expect(JSON.parse(lines[0]!)).toMatchObject({
    type: 'ready',
    nodeId: 'n',
    time: expect.stringMatching(/Z$/),
  })
  openPartLog(partLine).event({ type: 'failed', what: 'register', code: 'OFFLINE' })
  expect(lines[1]).toMatch(/^\d\d:\d\d:\d\d {2}error: register failed: OFFLINE\n$/)
})

test('words from elsewhere move no cursor on the terminal of an operator', () => {
  const line = partLine({ type: 'other', text: 'a\u001b[2Jb\u202ec' }, 0)
  for (const sign of ['\u001b', '\u202e']) expect(line).not.toContain(sign)
})

test('the log of a part stays below its size, with one older file', () => {
  const file = join(scratch, 'process.log')
  writeFileSync(file, 'x'.repeat(PART_LOG_BYTES_MAX))
  process.env[PART_LOG_VARIABLE] = file
  heard()
  const log = openPartLog()
  log.event({ type: 'report', text: 'one line too many' })
  expect(readFileSync(file)).toHaveLength(0)
  expect(readFileSync(`${file}.1`)).toHaveLength(PART_LOG_BYTES_MAX)
})

test('a file that nobody gave to the part is never cut', () => {
  const file = join(scratch, 'of-somebody-else.log')
  writeFileSync(file, 'x'.repeat(PART_LOG_BYTES_MAX))
  heard()
  openPartLog().event({ type: 'report', text: 'y'.repeat(PART_LOG_BYTES_MAX) })
  expect(readFileSync(file)).toHaveLength(PART_LOG_BYTES_MAX)
  expect(existsSync(`${file}.1`)).toBe(false)
})
