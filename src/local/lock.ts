import { closeSync, existsSync, openSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import Database from 'better-sqlite3'
import { XcareError } from '../errors.ts'

/** An exclusive hold on a folder. The system ends it when the process ends, however that happens. */
export interface FolderLock {
  release(): void
}

/** A lock that is taken again and again, each time for one piece of work. */
export interface TurnLock {
  /**
   * @returns whether it is ours now; it never waits. Taking it twice is a mistake.
   * @throws what the file system says
   */
  tryTake(): boolean
  /** Lets others have their turn. */
  give(): void
  close(): void
}

/**
 * Takes the lock at `path` for as long as this process keeps it. It is a lock of the operating system, so
 * that a dead owner holds nothing; the text beside it (pid and boot id) only says who the owner is.
 * @throws XcareError LOCKED while another process holds it.
 */
export function takeLock(path: string): FolderLock {
  const lock = openTurnLock(path)
  // The second time for a file that was no lock before.
  if (!lock.tryTake() && !lock.tryTake()) {
    lock.close()
    throw new XcareError('LOCKED', `the data folder is in use by ${ownerOf(path)}`, {
      next: 'stop that process first; two nodes must never share a folder',
    })
  }
  writeFileSync(`${path}.owner`, JSON.stringify({ pid: process.pid, bootId: bootId() }), { mode: 0o600 })
  return { release: () => lock.close() }
}

/**
 * Opens the lock at `path` without taking it. Whoever holds it is known to the kernel and not by a number in
 * a file: it works across containers that share a folder, and nothing is ever taken over from the living.
 */
export function openTurnLock(path: string): TurnLock {
  makeFile(path)
  let db = new Database(path, { timeout: 0 })
  return {
    tryTake() {
      try {
        db.exec('BEGIN EXCLUSIVE')
        return true
      } catch (error) {
        if (isBusy(error)) return false
        if (!isSqlite(error, 'SQLITE_NOTADB')) throw error
        // Nobody holds what is no lock. Emptied and not replaced: a second file under the name would be a
        // second lock.
        db.close()
        truncateSync(path, 0)
        db = new Database(path, { timeout: 0 })
        return false
      }
    },
    give: () => db.exec('ROLLBACK'),
    close: () => db.close(),
  }
}

/**
 * Makes the file, as the library would let other users read it. One that is there is not opened: closing it
 * would end our own locks on it.
 */
function makeFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600))
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
}

/**
 * @returns whether a process holds the lock at `path` now. Asking takes nothing: it needs no right to write,
 * and whoever wants the lock meanwhile waits no longer than the question takes.
 */
export function isHeld(path: string): boolean {
  if (!existsSync(path)) return false
  let db: Database.Database | null = null
  try {
    db = new Database(path, { timeout: 0, readonly: true })
    db.pragma('user_version')
    return false
  } catch (error) {
    // What is no lock is held by nobody.
    return isBusy(error)
  } finally {
    db?.close()
  }
}

function isSqlite(error: unknown, code: string): boolean {
  return error instanceof Database.SqliteError && error.code.startsWith(code)
}

function isBusy(error: unknown): boolean {
  return isSqlite(error, 'SQLITE_BUSY')
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

/** @returns what tells starts of the machine apart; empty where the system does not say. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}
