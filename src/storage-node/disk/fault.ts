import { constants } from 'node:os'
import Database from 'better-sqlite3'
import { XcareError } from '../../errors.ts'

/**
 * What a failed write says: the disk is full; this process is short of something that comes back (files,
 * memory); the disk is at fault; or the program is, and the disk has nothing to do with it.
 */
export type WriteFault = 'full' | 'short' | 'disk' | 'own'

const FULL = new Set(['ENOSPC', 'EDQUOT', 'SQLITE_FULL'])
const SHORT = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'EINTR', 'SQLITE_NOMEM', 'SQLITE_BUSY'])
/** Faults of the file below a database. Any other code of SQLite names a mistake of whoever called it. */
const SQLITE_DISK = /^SQLITE_(IOERR|CANTOPEN|READONLY|PERM|AUTH|PROTOCOL)/

/**
 * @returns what kind of fault `error` is. Only what the system itself reports by a code counts against the
 * disk.
 */
export function writeFaultOf(error: unknown): WriteFault {
  if (error instanceof XcareError) return error.code === 'NO_SPACE' ? 'full' : 'own'
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (FULL.has(code)) return 'full'
  if (SHORT.has(code)) return 'short'
  if (error instanceof Database.SqliteError) return SQLITE_DISK.test(code) ? 'disk' : 'own'
  return code in constants.errno ? 'disk' : 'own'
}
