import { chmodSync, closeSync, existsSync, openSync } from 'node:fs'
import Sqlite, { type Database } from 'better-sqlite3'
import { XcareError } from '../../errors.ts'

/** Opens a SQLite file for this process alone, with every commit synced. @throws XcareError LOCKED, NO_SPACE, FILE_UNREADABLE */
export function openSqlite(path: string): Database {
  let database: Database | null = null
  try {
    keepPrivate(path)
    database = new Sqlite(path, { timeout: 0 })
    database.pragma('locking_mode = EXCLUSIVE')
    database.pragma('journal_mode = WAL')
    // A transaction that was acknowledged must survive a power loss.
    database.pragma('synchronous = FULL')
    database.exec('BEGIN EXCLUSIVE; COMMIT')
    return database
  } catch (cause) {
    database?.close()
    throw asStoreError(cause)
  }
}

/** The files that SQLite puts beside the database take its mode. */
function keepPrivate(path: string): void {
  closeSync(openSync(path, 'a', 0o600))
  for (const each of [path, `${path}-wal`, `${path}-shm`]) if (existsSync(each)) chmodSync(each, 0o600)
}

/** @returns `cause` as one of our errors when SQLite or the system told what is wrong with the disk, else as it is. */
export function asStoreError(cause: unknown): unknown {
  if (cause instanceof Error && 'code' in cause && cause.code === 'ENOSPC') return diskFull(cause)
  if (!(cause instanceof Sqlite.SqliteError)) return cause
  if (cause.code.startsWith('SQLITE_BUSY'))
    return new XcareError('LOCKED', 'another process already runs with this folder', {
      cause,
      next: 'Stop the other process, or use another folder.',
    })
  if (cause.code.startsWith('SQLITE_FULL')) return diskFull(cause)
  if (cause.code.startsWith('SQLITE_CORRUPT') || cause.code.startsWith('SQLITE_NOTADB'))
    return new XcareError('INTEGRITY', 'a file of the anchoring chain is damaged', { cause })
  if (cause.code.startsWith('SQLITE_CANTOPEN') || cause.code.startsWith('SQLITE_READONLY'))
    return new XcareError('FILE_UNREADABLE', 'a file of the anchoring chain cannot be opened', { cause })
  return cause
}

/** @returns the bytes of a column as a plain array: a Buffer would cut without copying where an array copies. */
export function plain(column: Uint8Array): Uint8Array {
  return new Uint8Array(column.buffer, column.byteOffset, column.length)
}

/** @returns the error of a chain that takes nothing until its disk has room again. */
export function diskFull(cause?: unknown): XcareError {
  return new XcareError('NO_SPACE', 'the disk of the anchoring chain is full', {
    cause,
    next: 'free some space there: the chain goes on by itself',
  })
}
