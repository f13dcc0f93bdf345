import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { lstat, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fromUtf8, toHex, utf8 } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { systemRandom } from '../crypto/random.ts'
import { UNFINISHED_KEPT_MS } from '../limits.ts'
import { systemClock } from './clock.ts'
import { isSystemError } from './folder.ts'

/** A file under way: where its process counts its numbers (8 hex digits), the number, and chance. */
const NAME = /^\.xcare-(?:([0-9a-f]{8})-(\d{1,10})-)?[0-9a-f]{16}\.part$/

let numbering: string | null = null

/**
 * @returns a name for a file that is being written, never used twice: hidden, and telling which process it
 * belongs to.
 */
export function unfinishedName(): string {
  return `.xcare-${ownNumbering()}-${process.pid}-${toHex(systemRandom.bytes(8))}.part`
}

/**
 * Removes from `folder` what processes left half-written that ended without a chance to do it themselves.
 * What was written to within the last hour stays, unless it is known that its process runs no more: numbers
 * of another start or container of this machine tell nothing. Never fails.
 * @returns how many were removed.
 */
export async function removeLeftovers(folder: string): Promise<number> {
  let removed = 0
  for (const name of namesIn(folder)) {
    const path = join(folder, name)
    const facts = await lstat(path).catch(() => null)
    if (!facts?.isFile() || (process.getuid && facts.uid !== process.getuid())) continue
    if (mayBeWritten(name, facts.mtimeMs)) continue
    await rm(path, { force: true }).then(
      () => removed++,
      () => {},
    )
  }
  return removed
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => NAME.test(name))
  } catch {
    return []
  }
}

function mayBeWritten(name: string, changedMs: number): boolean {
  if (systemClock.nowMs() - changedMs >= UNFINISHED_KEPT_MS) return false
  const [, tag, pid] = NAME.exec(name)!
  if (tag !== ownNumbering()) return true
  try {
    process.kill(Number(pid), 0)
    return true
  } catch (error) {
    return !isSystemError(error, 'ESRCH')
  }
}

/** Tells apart starts of a machine, and containers on it: each counts its processes anew. */
function ownNumbering(): string {
  numbering ??= toHex(
    sha256(utf8(`${readText('/proc/sys/kernel/random/boot_id')} ${linkOf('/proc/self/ns/pid')}`)).subarray(
      0,
      4,
    ),
  )
  return numbering
}

function readText(path: string): string {
  try {
    return fromUtf8(readFileSync(path))
  } catch {
    return ''
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
