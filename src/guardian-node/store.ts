import { chmodSync, closeSync, existsSync, openSync } from 'node:fs'
import Database from 'better-sqlite3'
import { concat, toHex, u32be, utf8 } from '../bytes.ts'
import { deriveKey } from '../crypto/kdf.ts'
import { openSmall, sealSmall } from '../crypto/secretbox.ts'
import type { CustodyShare } from '../custody/deal.ts'
import { decodeShare, encodeShare } from '../custody/deposit.ts'
import type { ReleaseCounts } from '../custody/release/checks.ts'
import { type ChainPoint, firstLink, nextLink } from '../custody/release/receipt.ts'
import { XcareError } from '../errors.ts'
import { NONCE_KEPT_MS } from '../limits.ts'
import type { Random } from '../ports.ts'
import { type Mailbox, openMailbox } from './mailbox.ts'

const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000

const SCHEMA = `
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shares (
  object BLOB NOT NULL, epoch INTEGER NOT NULL, version INTEGER NOT NULL, place INTEGER NOT NULL,
  sealed BLOB, policy BLOB NOT NULL, owner BLOB NOT NULL, notice_key BLOB, notice_tag BLOB,
  PRIMARY KEY (object, epoch));
CREATE TABLE IF NOT EXISTS destructions (object BLOB PRIMARY KEY, statement BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS receipts (
  seq INTEGER PRIMARY KEY, receipt BLOB NOT NULL, hash BLOB NOT NULL, link BLOB NOT NULL,
  object BLOB NOT NULL, grant_id BLOB NOT NULL, grantee BLOB NOT NULL, time_ms INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS receipts_object ON receipts (object, seq);
CREATE INDEX IF NOT EXISTS receipts_grant ON receipts (grant_id, object);
CREATE INDEX IF NOT EXISTS receipts_grantee ON receipts (grantee, time_ms);
CREATE INDEX IF NOT EXISTS receipts_time ON receipts (time_ms);
CREATE TABLE IF NOT EXISTS nonces (nonce BLOB PRIMARY KEY, time_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS nonces_time ON nonces (time_ms);
`

const COLUMNS =
  'object, epoch, version, place, sealed, policy, owner, notice_key, notice_tag, since_ms, anchored'

/** A share as deposited. `sealed` is null once it was destroyed. */
export interface ShareRow {
  objectId: Uint8Array
  epoch: number
  version: number
  index: number
  sealed: Uint8Array | null
  policyHash: Uint8Array
  ownerKey: Uint8Array
  /** Null once it was destroyed: nobody is told any more. */
  noticeKey: Uint8Array | null
  noticeTag: Uint8Array | null
  /** When it was deposited, by the own clock; 0 for before that was written down. */
  sinceMs: number
  /** Whether the record of its object was seen on the chain. */
  isAnchored: boolean
}

/** A share as it comes in. */
export type NewShare = Omit<ShareRow, 'sealed' | 'isAnchored' | 'noticeKey' | 'noticeTag'> & {
  noticeKey: Uint8Array
  noticeTag: Uint8Array
}

/** One receipt of the chain. */
export interface ReceiptRow {
  seq: number
  receipt: Uint8Array
  hash: Uint8Array
}

/** What a receipt is found by, and limits are counted by. */
export interface ReceiptKeys {
  objectId: Uint8Array
  grantId: Uint8Array
  grantee: Uint8Array
  nonce: Uint8Array
  timeMs: number
}

/** Something on its way to the disk, with others in one sync. */
interface Write {
  run(): void
  resolve(): void
  reject(error: unknown): void
}

interface ShareColumns {
  object: Uint8Array
  epoch: number
  version: number
  place: number
  sealed: Uint8Array | null
  policy: Uint8Array
  owner: Uint8Array
  notice_key: Uint8Array | null
  notice_tag: Uint8Array | null
  since_ms: number
  anchored: number
}

/** A guardian's disk: sealed shares, used nonces, the chain of receipts, letters. Every write is durable when its call returns, that of a share when it resolves. */
export class GuardianStore {
  readonly mailbox: Mailbox
  readonly #db: Database.Database
  readonly #key: Uint8Array
  readonly #random: Random
  readonly #firstLink: Uint8Array
  readonly #prepared = new Map<string, Database.Statement>()
  readonly #writing: Write[] = []
  #leftPages = false

  /** @param path of the database file. @throws XcareError INTEGRITY when it is damaged or of another guardian or network, LOCKED when another process has it, NO_SPACE. */
  constructor(
    path: string,
    owner: { guardianId: string; network: string; storeKey: Uint8Array; random: Random },
  ) {
    this.#db = openDatabase(path)
    this.#key = owner.storeKey
    this.#random = owner.random
    this.#firstLink = firstLink(owner.network, owner.guardianId)
    this.#claim(`${owner.network} ${owner.guardianId}`)
    this.mailbox = openMailbox(this.#db, (who) =>
      toHex(deriveKey(owner.storeKey, 'xcare/guardian-mailbox/v1', utf8(who))),
    )
  }

  /** @returns the newest share of the object, destroyed or not. */
  share(objectId: Uint8Array): ShareRow | null {
    const found = this.#sql('SELECT * FROM shares WHERE object = ? ORDER BY epoch DESC LIMIT 1').get(objectId)
    return found ? rowOf(found as ShareColumns) : null
  }

  /** Shares held now. */
  shareCount(): number {
    const counted = this.#sql('SELECT count(*) AS n FROM shares WHERE sealed IS NOT NULL').get()
    return (counted as { n: number }).n
  }

  /**
   * Resolves when the share is durable; what was there for this object and epoch stays. Shares of earlier epochs are destroyed.
   * Shares of one turn of the event loop share one sync.
   */
  keepShare(row: NewShare, share: CustodyShare): Promise<void> {
    const sealed = sealSmall(this.#key, this.#random.bytes(24), encodeShare(share), shareAad(row))
    return this.durably(() => this.#keep(row, sealed))
  }

  /** Keeps a letter. Resolves when that is durable. @returns false when there is no room. */
  async keepLetter(recipient: string, sender: string, letter: Uint8Array, nowMs: number): Promise<boolean> {
    let isKept = false
    await this.durably(() => {
      isKept = this.mailbox.put(recipient, sender, letter, nowMs)
    })
    return isKept
  }

  /** Runs `run` with everything of this turn of the event loop in one sync. */
  durably(run: () => void): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    if (this.#writing.length === 0) setImmediate(() => this.#writeAll())
    this.#writing.push({ run, resolve, reject })
    return promise
  }

  #writeAll(): void {
    const writes = this.#writing.splice(0)
    if (writes.length === 0) return
    try {
      this.#db.transaction(() => {
        for (const { run } of writes) run()
      })()
    } catch (error) {
      // Nothing of this turn was written, whatever was counted.
      this.mailbox.recount()
      for (const { reject } of writes) reject(error)
      return
    }
    this.#emptyLog()
    for (const { resolve } of writes) resolve()
  }

  /** The newest epoch alone is kept: nothing of an object grows with its epochs. */
  #keep(row: NewShare, sealed: Uint8Array): void {
    const { objectId, epoch, version, index, policyHash, ownerKey, noticeKey, noticeTag, sinceMs } = row
    const before = this.share(objectId)
    if (before && before.epoch >= epoch) return
    if (before) {
      this.#sql('DELETE FROM shares WHERE object = ?').run(objectId)
      this.#leftPages = true
    }
    const place = [objectId, epoch, version, index, sealed, policyHash, ownerKey, noticeKey, noticeTag]
    // An object that was known before is no newcomer with its next epoch.
    this.#sql(`INSERT INTO shares (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`).run(
      ...place,
      before?.sinceMs ?? sinceMs,
      Number(before?.isAnchored ?? false),
    )
  }

  /** @returns shares held, in a fixed order, from the `after`th on, and their places in it. */
  sharesAfter(after: number, limit: number): { at: number; row: ShareRow }[] {
    const found = this.#sql(
      'SELECT rowid AS at, * FROM shares WHERE rowid > ? AND sealed IS NOT NULL ORDER BY rowid LIMIT ?',
    ).all(after, limit) as (ShareColumns & { at: number })[]
    return found.map((columns) => ({ at: columns.at, row: rowOf(columns) }))
  }

  /** The record of the object was seen on the chain. */
  markAnchored(objectId: Uint8Array): void {
    this.#sql('UPDATE shares SET anchored = 1 WHERE object = ?').run(objectId)
  }

  /** Forgets a share whose object never came to the chain. */
  dropShare(objectId: Uint8Array): void {
    this.#writeAll()
    this.#sql('DELETE FROM shares WHERE object = ?').run(objectId)
    this.#leftPages = true
    this.#emptyLog()
  }

  /** Destroys the shares of an object because the chain says so, and keeps the signed statement about it. */
  destroyByChain(objectId: Uint8Array, epoch: number, statement: Uint8Array): void {
    this.#writeAll()
    this.#db.transaction(() => {
      this.#destroy(objectId, epoch)
      this.#sql('INSERT OR IGNORE INTO destructions VALUES (?, ?)').run(objectId, statement)
    })()
    this.#emptyLog()
  }

  /** @returns the statement about a destruction that the chain asked for, or null. */
  destruction(objectId: Uint8Array): Uint8Array | null {
    const found = this.#sql('SELECT statement FROM destructions WHERE object = ?').get(objectId)
    return found ? bytesOf((found as { statement: Uint8Array }).statement) : null
  }

  /** @throws XcareError INTEGRITY when the row was damaged. */
  openShare(row: ShareRow): CustodyShare {
    if (!row.sealed) throw new XcareError('INTERNAL', 'the share was destroyed')
    return decodeShare(openSmall(this.#key, row.sealed, shareAad(row)), row.index)
  }

  /** Destroys the shares of `objectId` up to `epoch`; the row stays without its share. @returns whether there was one. */
  destroyShares(objectId: Uint8Array, epoch: number): boolean {
    // None that was taken before may be written after.
    this.#writeAll()
    const had = this.#destroy(objectId, epoch)
    this.#emptyLog()
    return had
  }

  #destroy(objectId: Uint8Array, epoch: number): boolean {
    const { changes } = this.#sql(
      'UPDATE shares SET sealed = NULL, notice_key = NULL, notice_tag = NULL WHERE object = ? AND epoch <= ? AND sealed IS NOT NULL',
    ).run(objectId, epoch)
    if (changes > 0) this.#leftPages = true
    return changes > 0
  }

  /** @returns whether the nonce was used and is remembered. */
  nonceUsed(nonce: Uint8Array): boolean {
    return this.#sql('SELECT 1 FROM nonces WHERE nonce = ?').get(nonce) !== undefined
  }

  /** Uses up a nonce. @returns whether it was still unused. */
  useNonce(nonce: Uint8Array, nowMs: number): boolean {
    this.#sql('DELETE FROM nonces WHERE time_ms < ?').run(nowMs - NONCE_KEPT_MS)
    return this.#sql('INSERT OR IGNORE INTO nonces VALUES (?, ?)').run(nonce, nowMs).changes === 1
  }

  /** Releases before this one. @param grantee hash of the grantee's KEM key. */
  counts(grantId: Uint8Array, objectId: Uint8Array, grantee: Uint8Array, nowMs: number): ReleaseCounts {
    const since = 'SELECT count(*) AS n FROM receipts WHERE grantee = ? AND time_ms > ?'
    return {
      object: this.#count(
        'SELECT count(*) AS n FROM receipts WHERE grant_id = ? AND object = ?',
        grantId,
        objectId,
      ),
      granteeHour: this.#count(since, grantee, nowMs - HOUR_MS),
      granteeMinute: this.#count(since, grantee, nowMs - MINUTE_MS),
    }
  }

  /** @returns how many receipts there are, and the link behind the last. */
  chain(): ChainPoint {
    return this.chainAt(Number.MAX_SAFE_INTEGER)
  }

  /** @returns the point of the chain after at most `count` receipts. */
  chainAt(count: number): ChainPoint {
    const last = this.#sql('SELECT seq, link FROM receipts WHERE seq < ? ORDER BY seq DESC LIMIT 1').get(
      count,
    )
    if (!last) return { count: 0, link: this.#firstLink }
    const { seq, link } = last as { seq: number; link: Uint8Array }
    return { count: seq + 1, link: bytesOf(link) }
  }

  /**
   * Adds a receipt and uses up its nonce, in one durable step.
   * @param make signs the receipt for its place in the chain; may refuse by throwing, and then nothing is written.
   * @returns the signed receipt, or null when the nonce was used meanwhile.
   */
  addReceipt(
    keys: ReceiptKeys,
    make: (at: ChainPoint) => { receipt: Uint8Array; hash: Uint8Array },
  ): Uint8Array | null {
    return this.#db.transaction(() => {
      if (!this.useNonce(keys.nonce, keys.timeMs)) return null
      const at = this.chain()
      const { receipt, hash } = make(at)
      this.#sql('INSERT INTO receipts VALUES (?, ?, ?, ?, ?, ?, ?, ?)').run(
        at.count,
        receipt,
        hash,
        nextLink(at.link, hash),
        keys.objectId,
        keys.grantId,
        keys.grantee,
        keys.timeMs,
      )
      return receipt
    })()
  }

  /** @returns hashes of at most `limit` receipts from `fromSeq` on. */
  receiptHashes(fromSeq: number, limit: number): Uint8Array[] {
    const found = this.#sql('SELECT hash FROM receipts WHERE seq >= ? ORDER BY seq LIMIT ?').all(
      fromSeq,
      limit,
    )
    return (found as { hash: Uint8Array }[]).map(({ hash }) => bytesOf(hash))
  }

  /** @returns at most `limit` receipts of one object with `fromSeq` <= seq < `toSeq`. */
  receiptsOf(objectId: Uint8Array, fromSeq: number, toSeq: number, limit: number): ReceiptRow[] {
    const found = this.#sql(
      'SELECT seq, receipt, hash FROM receipts WHERE object = ? AND seq >= ? AND seq < ? ORDER BY seq LIMIT ?',
    ).all(objectId, fromSeq, toSeq, limit)
    return (found as ReceiptRow[]).map(({ seq, receipt, hash }) => ({
      seq,
      receipt: bytesOf(receipt),
      hash: bytesOf(hash),
    }))
  }

  /** Closes the file; nothing may be called after. */
  close(): void {
    this.#writeAll()
    this.#db.close()
  }

  /** The write-ahead log holds the old page of a destroyed share until it is emptied. */
  #emptyLog(): void {
    if (!this.#leftPages) return
    this.#leftPages = false
    this.#db.pragma('wal_checkpoint(TRUNCATE)')
  }

  /** Preparing a statement costs more than running it. */
  #sql(text: string): Database.Statement {
    const known = this.#prepared.get(text)
    if (known) return known
    const statement = this.#db.prepare(text)
    this.#prepared.set(text, statement)
    return statement
  }

  #count(query: string, ...values: (Uint8Array | number)[]): number {
    return (this.#sql(query).get(...values) as { n: number }).n
  }

  #claim(owner: string): void {
    this.#sql("INSERT OR IGNORE INTO meta VALUES ('owner', ?)").run(owner)
    const { value } = this.#sql("SELECT value FROM meta WHERE name = 'owner'").get() as {
      value: string
    }
    if (value === owner) return
    this.#db.close()
    throw new XcareError('INTEGRITY', 'the data of this guardian belongs to another guardian or network', {
      next: 'check that the folder of the guardian and its keys belong together',
    })
  }
}

/** Files of SQLite beside the database take its mode. */
function keepPrivate(path: string): void {
  if (path === ':memory:') return
  closeSync(openSync(path, 'a', 0o600))
  for (const each of [path, `${path}-wal`, `${path}-shm`]) if (existsSync(each)) chmodSync(each, 0o600)
}

/** What earlier versions wrote goes on with what they did not know yet. */
function migrate(db: Database.Database): void {
  const columns = db.pragma('table_info(shares)') as { name: string }[]
  if (columns.some(({ name }) => name === 'since_ms')) return
  db.transaction(() => {
    db.exec('ALTER TABLE shares ADD COLUMN since_ms INTEGER NOT NULL DEFAULT 0')
    db.exec('ALTER TABLE shares ADD COLUMN anchored INTEGER NOT NULL DEFAULT 0')
    // An earlier version kept a row of every epoch.
    db.exec(
      'DELETE FROM shares WHERE epoch < (SELECT max(epoch) FROM shares AS newer WHERE newer.object = shares.object)',
    )
  })()
}

function openDatabase(path: string): Database.Database {
  keepPrivate(path)
  const db = new Database(path, { timeout: 1000 })
  try {
    // One process only: two would each continue the chain of receipts in their own way.
    db.pragma('locking_mode = EXCLUSIVE')
    db.pragma('journal_mode = WAL')
    db.pragma('synchronous = FULL')
    // A destroyed share must not stay behind in free pages.
    db.pragma('secure_delete = ON')
    db.exec(SCHEMA)
    migrate(db)
    return db
  } catch (cause) {
    db.close()
    throw asStoreError(cause, path)
  }
}

/** @returns the error a person should see when SQLite refused. */
function asStoreError(cause: unknown, path: string): XcareError {
  const code = cause instanceof Database.SqliteError ? cause.code : ''
  if (code === 'SQLITE_BUSY' || code === 'SQLITE_LOCKED')
    return new XcareError('LOCKED', 'this guardian is running already', {
      cause,
      next: 'stop the other process first',
    })
  if (code === 'SQLITE_FULL') return new XcareError('NO_SPACE', `the disk of ${path} is full`, { cause })
  if (code === 'SQLITE_CORRUPT' || code === 'SQLITE_NOTADB')
    return new XcareError('INTEGRITY', `the data of the guardian in ${path} is damaged`, {
      cause,
      next: 'restore the folder from a copy; receipts after it are lost, shares are not',
    })
  return new XcareError('INTERNAL', `the data of the guardian in ${path} cannot be opened`, { cause })
}

function rowOf(row: ShareColumns): ShareRow {
  return {
    objectId: bytesOf(row.object),
    epoch: row.epoch,
    version: row.version,
    index: row.place,
    sealed: row.sealed && bytesOf(row.sealed),
    policyHash: bytesOf(row.policy),
    ownerKey: bytesOf(row.owner),
    noticeKey: row.notice_key && bytesOf(row.notice_key),
    noticeTag: row.notice_tag && bytesOf(row.notice_tag),
    sinceMs: row.since_ms,
    isAnchored: row.anchored === 1,
  }
}

/** SQLite gives Buffers, which strict CBOR and equality of types do not want. */
function bytesOf(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer)
}

function shareAad(row: { objectId: Uint8Array; epoch: number; index: number }): Uint8Array {
  return concat(utf8('xcare/guardian-row/v1'), row.objectId, u32be(row.epoch), u32be(row.index))
}
