import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { openTurnLock, takeLock } from '../../src/local/lock.ts'

const scratch = mkdtempSync(join(tmpdir(), 'xcare-lock-'))
const CHILD = fileURLToPath(new URL('lock-child.ts', import.meta.url))
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(scratch, 'folder-'))
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

function child(...args: string[]): ChildProcess {
  return spawn(process.execPath, [CHILD, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

describe('the lock of a folder', () => {
  test('of another process is respected while it lives, and nothing is left of it when it is killed', async () => {
    const holder = child('hold', folder)
    await once(holder.stdout!, 'data')
    expect(() => takeLock(join(folder, 'lock'))).toThrow(`process ${holder.pid}`)
    holder.kill('SIGKILL')
    await once(holder, 'exit')
    takeLock(join(folder, 'lock')).release()
  })

  test('is held by one of several processes at a time', async () => {
    writeFileSync(join(folder, 'sum'), '0')
    const workers = Array.from({ length: 3 }, () => child('count', folder, '200'))
    const ends = await Promise.all(workers.map((worker) => once(worker, 'exit')))
    expect(ends.map(([code]) => code)).toEqual([0, 0, 0])
    expect(readFileSync(join(folder, 'sum'), 'utf8')).toBe('600')
  })

  test('is held by one of several users in a process, whoever opens it in between', () => {
    const path = join(folder, 'lock')
    const [one, two] = [openTurnLock(path), openTurnLock(path)]
    expect(one.tryTake()).toBe(true)
    openTurnLock(path).close()
    expect(two.tryTake()).toBe(false)
    one.give()
    expect(two.tryTake()).toBe(true)
    two.close()
    expect(one.tryTake()).toBe(true)
    one.close()
  })

  test.each([
    ['text of an older program', '{"pid":999999999,"born":"1"}'],
    ['nothing', ''],
    ['rubbish as long as a page', 'x'.repeat(5000)],
  ])('is taken when its file holds %s', (_, content) => {
    const path = join(folder, 'lock')
    writeFileSync(path, content)
    const lock = takeLock(path)
    expect(() => takeLock(path)).toThrow('in use')
    lock.release()
  })

  test('lets no other user read its files', () => {
    const path = join(folder, 'lock')
    takeLock(path).release()
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(statSync(`${path}.owner`).mode & 0o777).toBe(0o600)
  })
})
