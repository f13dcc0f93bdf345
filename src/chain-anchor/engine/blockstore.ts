import type { Database } from 'better-sqlite3'
import { decodeCbor, encodeCbor } from '../../cbor.ts'
import { XcareError } from '../../errors.ts'
import type { TxAnswer } from '../app/abci.ts'
import { txHash } from '../app/tx.ts'
import type { Block } from '../comet/block.ts'
import { decodeLightBlock } from '../comet/decode.ts'
import { encodeLightBlock } from '../comet/encode.ts'
import { type Commit, NO_BLOCK_ID } from '../comet/types.ts'
import { openSqlite, plain } from '../state/sqlite.ts'
import type { StoredBlock, TxPlace } from './engine.ts'

/** Commit of the first block's "block before": height 0, no lines. */
export const NO_COMMIT: Commit = Object.freeze({ height: 0, round: 0, blockId: NO_BLOCK_ID, signatures: [] })

/** A stored block and what the next one follows from. */
export interface ChainTip extends StoredBlock {
  appHash: Uint8Array
}

interface BlockRow {
  light: Uint8Array
  body: Uint8Array
}

// What a light block does not tell. Results are [code, log] pairs: data is always empty.
interface Body {
  txs: Uint8Array[]
  results: [number, string][]
  bytes: number
  appHash: Uint8Array
}

/** All blocks, in one SQLite file. A block is durable, with its commit and results, before anyone hears of it. */
export class BlockStore {
  readonly #database: Database
  readonly #prepared: ReturnType<typeof prepare>
  #height: number

  /** Opens or creates the file. @throws XcareError LOCKED when another process has it open. */
  constructor(path: string) {
    this.#database = openSqlite(path)
    this.#database.exec(`
      CREATE TABLE IF NOT EXISTS blocks (height INTEGER PRIMARY KEY, light BLOB NOT NULL, body BLOB NOT NULL);
      CREATE TABLE IF NOT EXISTS places (hash BLOB PRIMARY KEY, height INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
    `)
    this.#prepared = prepare(this.#database)
    this.#height = this.#prepared.newest.get()?.height ?? 0
  }

  /** Newest height, 0 without blocks. */
  get height(): number {
    return this.#height
  }

  /** The block at `height`, or null. */
  block(height: number): ChainTip | null {
    const row = this.#prepared.block.get(height)
    if (!row) return null
    const { header, commit, validators } = decodeLightBlock(plain(row.light))
    const body = decodeCbor(plain(row.body)) as Body
    const block: Block = { header, txs: body.txs, lastCommit: this.#commitOf(height - 1) }
    return {
      block,
      id: commit.blockId,
      bytes: body.bytes,
      commit,
      validators,
      results: body.results.map(answer),
      appHash: body.appHash,
    }
  }

  /** Where the transaction with this hash is, or null. */
  find(hash: Uint8Array): TxPlace | null {
    const row = this.#prepared.place.get(hash)
    const block = row && this.block(row.height)
    return block ? { height: row.height, index: row.at, result: block.results[row.at] } : null
  }

  /** Makes the next block durable. `appHash` is the state's after it. */
  append(stored: StoredBlock, appHash: Uint8Array): void {
    const { header, txs } = stored.block
    if (header.height !== this.#height + 1)
      throw new XcareError('INTERNAL', `block ${header.height} is not the next one`)
    const light = encodeLightBlock({ header, commit: stored.commit, validators: stored.validators })
    const results = stored.results.map(({ code, log }): [number, string] => [code, log])
    const body = encodeCbor({ txs, results, bytes: stored.bytes, appHash } satisfies Body)
    this.#database.transaction(() => {
      this.#prepared.putBlock.run(header.height, light, body)
      for (const [at, tx] of txs.entries()) this.#prepared.putPlace.run(txHash(tx), header.height, at)
    })()
    this.#height = header.height
  }

  /** Closes the file. */
  close(): void {
    this.#database.close()
  }

  #commitOf(height: number): Commit {
    const row = height === 0 ? null : this.#prepared.block.get(height)
    return row ? decodeLightBlock(plain(row.light)).commit : NO_COMMIT
  }
}

function prepare(database: Database) {
  return {
    newest: database.prepare<[], { height: number | null }>('SELECT max(height) AS height FROM blocks'),
    block: database.prepare<[number], BlockRow>('SELECT light, body FROM blocks WHERE height = ?'),
    place: database.prepare<[Uint8Array], { height: number; at: number }>(
      'SELECT height, at FROM places WHERE hash = ?',
    ),
    putBlock: database.prepare<[number, Uint8Array, Uint8Array]>(
      'INSERT INTO blocks (height, light, body) VALUES (?, ?, ?)',
    ),
    putPlace: database.prepare<[Uint8Array, number, number]>(
      'INSERT OR IGNORE INTO places (hash, height, at) VALUES (?, ?, ?)',
    ),
  }
}

function answer([code, log]: [number, string]): TxAnswer {
  return { code, data: new Uint8Array(0), log, codespace: code === 0 ? '' : 'xcare' }
}
