/** Which column of which object, as put by which owner. */
export interface ColumnName {
  objectId: Uint8Array
  ownerKey: Uint8Array
  version: number
  column: number
}

/** How a column is cut. */
export interface ColumnLayout {
  k: number
  n: number
  shardBytes: number
  stripes: number
}

/** One column as the index knows it. */
export interface ColumnRow extends ColumnName, ColumnLayout {
  id: number
  /** Whether all fragments are here and match a signed manifest: only then it is served. */
  isComplete: boolean
  /** When it was last opened or completed, in ms. */
  touchedMs: number
  /** Whether a header has shown that it is anchored. */
  isProven: boolean
}

/** Where a manifest lies. */
export interface ManifestRow {
  objectId: Uint8Array
  ownerKey: Uint8Array
  version: number
  volume: number
  at: number
  length: number
  hash: Uint8Array
}

/** A column as the database gives it. */
export interface RawColumn {
  id: number
  object: Uint8Array
  owner: Uint8Array
  version: number
  position: number
  k: number
  n: number
  shard: number
  stripes: number
  complete: number
  touched: number
  proven: number
}

/** A manifest as the database gives it. */
export interface RawManifest {
  object: Uint8Array
  owner: Uint8Array
  version: number
  volume: number
  at: number
  length: number
  hash: Uint8Array
}

/** @returns the column in a row. */
export function columnFrom(row: RawColumn): ColumnRow {
  return {
    id: row.id,
    objectId: plain(row.object),
    ownerKey: plain(row.owner),
    version: row.version,
    column: row.position,
    k: row.k,
    n: row.n,
    shardBytes: row.shard,
    stripes: row.stripes,
    isComplete: row.complete === 1,
    touchedMs: row.touched,
    isProven: row.proven === 1,
  }
}

// Buffers behave differently from Uint8Array (slice), so none leaves this file.
/** @returns the bytes as a plain array. */
export function plain(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)
}
