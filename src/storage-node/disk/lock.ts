import { readFileSync, writeFileSync } from 'node:fs'
import Database from 'better-sqlite3'
import { XcareError } from '../../errors.ts'

/** An exclusive hold on a data folder. The system ends it when the process ends, however that happens. */
export interface StoreLock {
  release(): void
}

/**
 * Takes the lock at `path`. It is a lock of the operating system, so that a dead owner holds nothing; the text beside it
 * (pid and boot id) only says who the owner is.
 * @throws XcareError LOCKED while another process holds it.
 */
export function takeLock(path: string): StoreLock {
  const db = new Database(path, { timeout: 0 })
  try {
    db.pragma('journal_mode = DELETE')
    db.exec('BEGIN EXCLUSIVE')
  } catch (cause) {
    db.close()
    if (!(cause instanceof Database.SqliteError) || cause.code !== 'SQLITE_BUSY') throw cause
    throw new XcareError('LOCKED', `the data folder is in use by ${ownerOf(path)}`, {
      cause,
      next: 'stop that process first; two nodes must never share a folder',
    })
  }
  writeFileSync(`${path}.owner`, JSON.stringify({ pid: process.pid, bootId: bootId() }), { mode: 0o600 })
  return { release: () => db.close() }
}

function ownerOf(path: string): string {
  try {
    const { pid, bootId: boot } = JSON.parse(readFileSync(`${path}.owner`, 'utf8')) as {
      pid: number
      bootId: string
    }
    return boot === bootId() ? `process ${pid}` : 'another machine'
  } catch {
    return 'another process'
  }
}

/** Tells starts of the machine apart; empty where the system does not say. */
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}
