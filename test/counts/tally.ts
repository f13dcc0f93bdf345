import Database from 'better-sqlite3'
import { native } from '#native'
import type { KeyedAead } from '../../src/crypto/native-types.ts'

/** What one part of the program did. Bytes and calls, never time. */
export const KINDS = [
  'blake3Bytes',
  'sealedBytes',
  'openedBytes',
  'signatures',
  'verifications',
  'transactions',
  'syncs',
  'writes',
  'writtenBytes',
  'reads',
  'readBytes',
  'messages',
  'copiedBytes',
  'allocatedBytes',
  'largeBuffers',
] as const

export type Kind = (typeof KINDS)[number]
export type Tally = Record<Kind, number>

export function emptyTally(): Tally {
  return Object.fromEntries(KINDS.map((kind) => [kind, 0])) as Tally
}

/** @returns `now` less `before`. */
export function since(now: Tally, before: Tally): Tally {
  return Object.fromEntries(KINDS.map((kind) => [kind, now[kind] - before[kind]])) as Tally
}

export type Add = (kind: Kind, amount: number) => void

/** Counts hashes, ciphers and signatures of this thread; everything still happens. */
export function countCrypto(add: Add): void {
  const { blake3, aead, ed25519, verifyEd25519 } = native
  native.blake3 = (bytes) => {
    add('blake3Bytes', bytes.length)
    return blake3(bytes)
  }
  native.verifyEd25519 = (...args) => {
    add('verifications', 1)
    return verifyEd25519(...args)
  }
  native.ed25519 = (seed) => {
    const { publicKey, sign } = ed25519(seed)
    return {
      publicKey,
      sign: (message) => {
        add('signatures', 1)
        return sign(message)
      },
    }
  }
  const counted = (keyed: KeyedAead): KeyedAead => ({
    ...keyed,
    sealInto: (nonce, plain, out, at) => {
      add('sealedBytes', plain.length)
      return keyed.sealInto(nonce, plain, out, at)
    },
    open: (nonce, sealed) => {
      add('openedBytes', sealed.length)
      return keyed.open(nonce, sealed)
    },
  })
  Object.assign(native, { aead: { ...aead, keyed: (key: Uint8Array) => counted(aead.keyed(key)) } })
}

/** Counts transactions of SQLite in this thread: those begun, and every change outside of one. */
export function countTransactions(add: Add): void {
  const database = new Database(':memory:')
  const statement = Object.getPrototypeOf(database.prepare('SELECT 1')) as {
    run(this: Database.Statement, ...args: unknown[]): unknown
  }
  database.close()
  const { run } = statement
  statement.run = function (...args) {
    const isOwn = !this.database.inTransaction && !this.readonly
    if (isOwn || this.source.startsWith('BEGIN')) add('transactions', 1)
    return run.apply(this, args)
  }
}
