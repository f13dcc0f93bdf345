import type { Database, Statement } from 'better-sqlite3'
import {
  LETTER_KEPT_MS,
  LETTER_WEIGHT,
  MAIL_BYTES_MAX,
  MAILBOX_BYTES_MAX,
  MAILBOX_LETTERS_MAX,
  MAILBOX_SENDER_LETTERS_MAX,
} from '../limits.ts'

// What is counted stands in indexes: a sum never goes through the letters themselves.
const SCHEMA = `
CREATE TABLE IF NOT EXISTS letters (
  number INTEGER PRIMARY KEY AUTOINCREMENT, recipient TEXT NOT NULL, sender TEXT NOT NULL, letter BLOB NOT NULL,
  bytes INTEGER NOT NULL, time_ms INTEGER NOT NULL);
DROP INDEX IF EXISTS letters_recipient;
CREATE INDEX IF NOT EXISTS letters_box ON letters (recipient, number, sender, bytes);
CREATE INDEX IF NOT EXISTS letters_time ON letters (time_ms, recipient, bytes);
`

/** A letter waiting for its recipient. */
export interface Letter {
  number: number
  letter: Uint8Array
}

/** Sealed letters for people who are not here now. Letters go when they were fetched, or after LETTER_KEPT_MS. */
export interface Mailbox {
  /** Whether a letter waits for this recipient. */
  has(recipient: string): boolean
  /**
   * @returns false when the box is full and nobody in it has more than the sender, or the room is and no box
   * has more than the recipient's.
   */
  put(recipient: string, sender: string, letter: Uint8Array, nowMs: number): boolean
  /** Counts anew what is there, after a write that failed. */
  recount(): void
  /** Removes letters up to number `after`, which have arrived. @returns the next ones, together at most `bytesMax`. */
  take(
    recipient: string,
    after: number,
    bytesMax: number,
    nowMs: number,
  ): { letters: Letter[]; more: boolean }
}

/**
 * Opens the mailboxes inside a guardian's database.
 * @param nameOf hides who a person or sender is from whoever reads the disk.
 * @param roomBytes of all boxes together.
 */
export function openMailbox(
  db: Database,
  nameOf: (who: string) => string,
  roomBytes = MAIL_BYTES_MAX,
): Mailbox {
  return new StoredMailbox(db, nameOf, roomBytes)
}

interface Entry {
  number: number
  recipient: string
  sender: string
  bytes: number
}

class StoredMailbox implements Mailbox {
  readonly #db: Database
  readonly #nameOf: (who: string) => string
  readonly #room: number
  readonly #insert: Statement
  readonly #inBox: Statement
  readonly #remove: Statement
  readonly #expired: Statement
  readonly #next: Statement
  /** Weight of each box, and of all: what a put looks at does not grow with what is stored. */
  readonly #boxes = new Map<string, number>()
  #weight = 0

  constructor(db: Database, nameOf: (who: string) => string, roomBytes: number) {
    this.#room = roomBytes
    db.exec(SCHEMA)
    this.#db = db
    this.#nameOf = nameOf
    this.#insert = db.prepare(
      'INSERT INTO letters (recipient, sender, letter, bytes, time_ms) VALUES (?, ?, ?, ?, ?)',
    )
    this.#inBox = db.prepare(
      'SELECT number, recipient, sender, bytes FROM letters INDEXED BY letters_box WHERE recipient = ? ORDER BY number',
    )
    this.#remove = db.prepare('DELETE FROM letters WHERE number = ?')
    this.#expired = db.prepare(
      'SELECT number, recipient, bytes FROM letters INDEXED BY letters_time WHERE time_ms < ?',
    )
    this.#next = db.prepare('SELECT number, letter FROM letters WHERE recipient = ? ORDER BY number LIMIT 65')
    this.recount()
  }

  recount(): void {
    this.#boxes.clear()
    this.#weight = 0
    const sums = this.#db
      .prepare(
        'SELECT recipient, count(*) AS letters, sum(bytes) AS bytes FROM letters INDEXED BY letters_box GROUP BY recipient',
      )
      .all() as { recipient: string; letters: number; bytes: number }[]
    for (const { recipient, letters, bytes } of sums) this.#count(recipient, bytes + letters * LETTER_WEIGHT)
  }

  has(recipient: string): boolean {
    return this.#boxes.has(this.#nameOf(recipient))
  }

  put(to: string, from: string, letter: Uint8Array, nowMs: number): boolean {
    const recipient = this.#nameOf(to)
    const sender = this.#nameOf(from)
    this.#expire(nowMs)
    const box = this.#inBox.all(recipient) as Entry[]
    const own = box.filter((entry) => entry.sender === sender)
    if (own.length >= MAILBOX_SENDER_LETTERS_MAX) return false
    const crowded = this.#makeRoomInBox(box, sender, weightOf(letter.length))
    const dropped = crowded && this.#makeRoom(recipient, weightOf(letter.length), crowded)
    if (!dropped) return false
    this.#db.transaction(() => {
      for (const { number } of dropped) this.#remove.run(number)
      this.#insert.run(recipient, sender, letter, letter.length, nowMs)
    })()
    for (const entry of dropped) this.#count(entry.recipient, -weightOf(entry.bytes))
    this.#count(recipient, weightOf(letter.length))
    return true
  }

  take(person: string, after: number, bytesMax: number, nowMs: number): { letters: Letter[]; more: boolean } {
    const recipient = this.#nameOf(person)
    this.#expire(nowMs)
    const arrived = (this.#inBox.all(recipient) as Entry[]).filter(({ number }) => number <= after)
    this.#drop(arrived)
    const waiting = this.#next.all(recipient) as Letter[]
    const letters: Letter[] = []
    let room = bytesMax
    for (const { number, letter } of waiting.slice(0, 64)) {
      if (letter.length > room) break
      room -= letter.length
      letters.push({ number, letter: new Uint8Array(letter) })
    }
    return { letters, more: letters.length < waiting.length }
  }

  /**
   * @returns letters of this box that go: the oldest of who has most in it, while that is more than `sender`
   * would have; null when they are not enough.
   */
  #makeRoomInBox(box: Entry[], sender: string, weight: number): Entry[] | null {
    const left = new Map<string, { weight: number; entries: Entry[] }>()
    let total = weight
    for (const entry of box) {
      const of = left.get(entry.sender) ?? { weight: 0, entries: [] }
      left.set(entry.sender, of)
      of.weight += weightOf(entry.bytes)
      of.entries.push(entry)
      total += weightOf(entry.bytes)
    }
    const share = (left.get(sender)?.weight ?? 0) + weight
    const dropped: Entry[] = []
    while (total > MAILBOX_BYTES_MAX || box.length - dropped.length >= MAILBOX_LETTERS_MAX) {
      const most = [...left]
        .filter(([name]) => name !== sender)
        .sort((a, b) => b[1].weight - a[1].weight)[0]?.[1]
      const oldest = most && most.weight > share && most.entries.shift()
      if (!oldest) return null
      most.weight -= weightOf(oldest.bytes)
      total -= weightOf(oldest.bytes)
      dropped.push(oldest)
    }
    return dropped
  }

  /**
   * @returns `dropped` and what else goes: the oldest letters of the box that holds most, while that is more
   * than this one would; null when they are not enough.
   */
  #makeRoom(recipient: string, weight: number, dropped: Entry[]): Entry[] | null {
    const freed = dropped.reduce((sum, { bytes }) => sum + weightOf(bytes), 0)
    let over = this.#weight + weight - freed - this.#room
    if (over <= 0) return dropped
    const share = (this.#boxes.get(recipient) ?? 0) - freed + weight
    const [fullest, most] = this.#fullest()
    let left = most
    const all = [...dropped]
    for (const entry of fullest === recipient ? [] : (this.#inBox.all(fullest) as Entry[])) {
      if (over <= 0 || left <= share) break
      all.push(entry)
      over -= weightOf(entry.bytes)
      left -= weightOf(entry.bytes)
    }
    return over <= 0 ? all : null
  }

  #fullest(): [recipient: string, weight: number] {
    let found: [string, number] = ['', 0]
    for (const each of this.#boxes) if (each[1] > found[1]) found = each
    return found
  }

  #expire(nowMs: number): void {
    this.#drop(this.#expired.all(nowMs - LETTER_KEPT_MS) as Entry[])
  }

  #drop(entries: Entry[]): void {
    if (entries.length === 0) return
    this.#db.transaction(() => {
      for (const { number } of entries) this.#remove.run(number)
    })()
    for (const { recipient, bytes } of entries) this.#count(recipient, -weightOf(bytes))
  }

  #count(recipient: string, by: number): void {
    this.#weight += by
    const weight = (this.#boxes.get(recipient) ?? 0) + by
    if (weight > 0) this.#boxes.set(recipient, weight)
    else this.#boxes.delete(recipient)
  }
}

/** A letter takes room of its own besides its bytes. */
function weightOf(bytes: number): number {
  return bytes + LETTER_WEIGHT
}
