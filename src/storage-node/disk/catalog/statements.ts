import Database from 'better-sqlite3'

/** Format of the index; one that `MIGRATIONS` does not lead from is made again from the volumes. */
export const INDEX_FORMAT = 2
/** Bytes of a page. */
export const PAGE_BYTES = 4096
/** The write-ahead log is folded in at this size, so that it is a small fixed part of the quota. */
export const LOG_BYTES = 4 * 1024 * 1024

/** Finished columns of which no header has shown yet that they are anchored. */
const UNPROVEN_INDEX =
  'CREATE INDEX stored_column_unproven ON stored_column (touched) WHERE complete = 1 AND proven = 0;'

/** What leads from an older format to the next one. */
export const MIGRATIONS: Readonly<Record<number, string>> = {
  1: `
    ALTER TABLE stored_column ADD COLUMN proven INTEGER;
    ALTER TABLE stored_column ADD COLUMN read INTEGER;
    UPDATE stored_column SET proven = 0, read = touched;
    ${UNPROVEN_INDEX}
    ALTER TABLE volume ADD COLUMN bad INTEGER;
    UPDATE volume SET bad = 0;
    UPDATE volume SET bad = found.bad FROM (
      SELECT hex(substr(place, 1, 4)) AS name, count(*) AS bad FROM fragment
      WHERE substr(place, 13, 1) = x'01' GROUP BY name) AS found
    WHERE found.name = printf('%08X', number);
  `,
}

/** Tables of a fresh index. Spec: docs/spec/volume.md section 5. */
export const SCHEMA = `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
  CREATE TABLE volume (number INTEGER PRIMARY KEY, size INTEGER, live INTEGER, fragments INTEGER, bad INTEGER);
  CREATE TABLE stored_column (
    id INTEGER PRIMARY KEY, object BLOB, owner BLOB, version INTEGER, position INTEGER,
    k INTEGER, n INTEGER, shard INTEGER, stripes INTEGER,
    complete INTEGER, touched INTEGER, anchor INTEGER, proven INTEGER, read INTEGER);
  CREATE UNIQUE INDEX stored_column_key ON stored_column (object, version, position, owner);
  CREATE INDEX stored_column_waiting ON stored_column (touched) WHERE complete = 0;
  ${UNPROVEN_INDEX}
  CREATE TABLE fragment (column_id INTEGER, stripe INTEGER, place BLOB, PRIMARY KEY (column_id, stripe)) WITHOUT ROWID;
  CREATE TABLE manifest (
    object BLOB, version INTEGER, owner BLOB, volume INTEGER, at INTEGER, length INTEGER, hash BLOB,
    PRIMARY KEY (object, version)) WITHOUT ROWID;
  CREATE TABLE tombstone (
    object BLOB, owner BLOB, version INTEGER, volume INTEGER, at INTEGER,
    PRIMARY KEY (object, owner)) WITHOUT ROWID;
`

/** Opens the database at `path`, or the one serialized in it. */
export function connect(path: string | Buffer): Database.Database {
  const db = new Database(path)
  db.pragma(`page_size = ${PAGE_BYTES}`)
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = NORMAL')
  db.pragma(`wal_autocheckpoint = ${LOG_BYTES / PAGE_BYTES}`)
  db.pragma(`journal_size_limit = ${LOG_BYTES}`)
  db.pragma('cache_size = -16384')
  return db
}

/** Every statement of the index. */
export type Statements = ReturnType<typeof prepare>

/**
 * @returns the statements, prepared once. In questions of every put or get that may have several rows, parameters stand behind a plus sign: this
 * build of SQLite (STAT4) else plans anew for each value, which costs twice the question again.
 */
export function prepare(db: Database.Database) {
  const one = (sql: string) => db.prepare(sql).pluck()
  return {
    begin: db.prepare('BEGIN IMMEDIATE'),
    commit: db.prepare('COMMIT'),
    rollback: db.prepare('ROLLBACK'),
    getSequence: one("SELECT value FROM meta WHERE name = 'sequence'"),
    setSequence: db.prepare("INSERT OR REPLACE INTO meta VALUES ('sequence', ?)"),
    pageCount: one('SELECT page_count FROM pragma_page_count()'),
    volumes: db.prepare('SELECT number, size, live, fragments, bad FROM volume'),
    setVolume: db.prepare('INSERT OR REPLACE INTO volume VALUES (?, ?, ?, ?, ?)'),
    dropVolume: db.prepare('DELETE FROM volume WHERE number = ?'),
    column: db.prepare(
      'SELECT * FROM stored_column WHERE object = ? AND version = ? AND position = ? AND owner = ?',
    ),
    completeColumn: db.prepare(
      'SELECT * FROM stored_column WHERE object = ? AND version = ? AND position = ? AND complete = 1',
    ),
    columnsOf: db.prepare('SELECT * FROM stored_column WHERE object = +? ORDER BY version, position'),
    addColumn: db.prepare(
      'INSERT INTO stored_column VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, NULL, 0, 0)',
    ),
    touchColumn: db.prepare('UPDATE stored_column SET touched = ? WHERE id = ?'),
    complete: db.prepare(
      'UPDATE stored_column SET complete = 1, anchor = ?, touched = ?, read = ? WHERE id = ?',
    ),
    anchorOf: one('SELECT anchor FROM stored_column WHERE id = ?'),
    moveAnchor: db.prepare('UPDATE stored_column SET anchor = ? WHERE id = ?'),
    dropColumn: db.prepare('DELETE FROM stored_column WHERE id = ?'),
    abandoned: db.prepare(
      'SELECT * FROM stored_column WHERE complete = 0 AND touched < ? ORDER BY touched LIMIT ?',
    ),
    unproven: db.prepare(
      `SELECT * FROM stored_column
      WHERE complete = 1 AND proven = 0 AND (touched, id) > (?, ?) AND touched < ? ORDER BY touched, id LIMIT ?`,
    ),
    proven: db.prepare(
      'SELECT * FROM stored_column WHERE id > ? AND complete = 1 AND proven = 1 ORDER BY id LIMIT ?',
    ),
    setProven: db.prepare('UPDATE stored_column SET proven = 1 WHERE id = ?'),
    columnById: db.prepare('SELECT * FROM stored_column WHERE id = ?'),
    unread: db.prepare(
      'SELECT * FROM stored_column WHERE id > ? AND complete = 1 AND read < ? ORDER BY id LIMIT 1',
    ),
    setRead: db.prepare('UPDATE stored_column SET read = ? WHERE id = ?'),
    unprovenCount: one('SELECT count(*) FROM stored_column WHERE complete = 1 AND proven = 0'),
    oldestRead: one('SELECT min(read) FROM stored_column WHERE complete = 1'),
    recent: db.prepare(
      'SELECT * FROM stored_column WHERE complete = 1 AND touched >= ? ORDER BY touched DESC LIMIT ?',
    ),
    place: one('SELECT place FROM fragment WHERE column_id = ? AND stripe = ?'),
    places: db
      .prepare(
        'SELECT stripe, place FROM fragment WHERE column_id = +? AND stripe >= +? AND stripe < +? ORDER BY stripe',
      )
      .raw(),
    setPlace: db.prepare('INSERT OR REPLACE INTO fragment VALUES (?, ?, ?)'),
    dropFragments: db.prepare('DELETE FROM fragment WHERE column_id = ?'),
    manifest: db.prepare('SELECT * FROM manifest WHERE object = ? AND version = ?'),
    newestManifest: db.prepare('SELECT * FROM manifest WHERE object = +? ORDER BY version DESC LIMIT 1'),
    manifestVersions: one('SELECT version FROM manifest WHERE object = ?'),
    setManifest: db.prepare('INSERT INTO manifest VALUES (?, ?, ?, ?, ?, ?, ?)'),
    dropManifest: db.prepare('DELETE FROM manifest WHERE object = ? AND version = ?'),
    tombstone: one('SELECT version FROM tombstone WHERE object = ? AND owner = ?'),
    tombstoneAt: one('SELECT 1 FROM tombstone WHERE object = ? AND owner = ? AND volume = ? AND at = ?'),
    tombstoneVolume: one('SELECT volume FROM tombstone WHERE object = ? AND owner = ?'),
    setTombstone: db.prepare('INSERT OR REPLACE INTO tombstone VALUES (?, ?, ?, ?, ?)'),
  }
}
