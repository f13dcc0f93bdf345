import type { Database } from 'better-sqlite3'
import {
  LETTER_KEPT_MS,
  MAIL_BYTES_MAX,
  MAILBOX_BYTES_MAX,
  MAILBOX_LETTERS_MAX,
  MAILBOX_SENDER_LETTERS_MAX,
} from '../limits.ts'

const SCHEMA = `
CREATE TABLE IF NOT EXISTS letters (
  number INTEGER PRIMARY KEY AUTOINCREMENT, recipient TEXT NOT NULL, sender TEXT NOT NULL, letter BLOB NOT NULL,
  bytes INTEGER NOT NULL, time_ms INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS letters_recipient ON letters (recipient, number);
CREATE INDEX IF NOT EXISTS letters_time ON letters (time_ms);
`

/** A letter waiting for its recipient. */
export interface Letter {
  number: number
  letter: Uint8Array
}

/** Sealed letters for people who are not here now. Letters go when they were fetched, or after LETTER_KEPT_MS. */
export interface Mailbox {
  /** @returns false when the recipient's box, the sender's part of it, or the whole room for mail is full. */
  put(recipient: string, sender: string, letter: Uint8Array, nowMs: number): boolean
  /** Removes letters up to number `after`, which have arrived. @returns the next ones, together at most `bytesMax`. */
  take(
    recipient: string,
    after: number,
    bytesMax: number,
    nowMs: number,
  ): { letters: Letter[]; more: boolean }
}

/** Opens the mailboxes inside a guardian's database. @param nameOf hides who a person or sender is from whoever reads the disk. */
export function openMailbox(db: Database, nameOf: (who: string) => string): Mailbox {
  db.exec(SCHEMA)
  const expire = (nowMs: number) =>
    db.prepare('DELETE FROM letters WHERE time_ms < ?').run(nowMs - LETTER_KEPT_MS)
  const total = (where: string, ...values: string[]) =>
    db
      .prepare(`SELECT count(*) AS letters, coalesce(sum(bytes), 0) AS bytes FROM letters ${where}`)
      .get(...values) as {
      letters: number
      bytes: number
    }
  return {
    put(to, from, letter, nowMs) {
      const recipient = nameOf(to)
      const sender = nameOf(from)
      return db.transaction(() => {
        expire(nowMs)
        const box = total('WHERE recipient = ?', recipient)
        const fromSender = total('WHERE recipient = ? AND sender = ?', recipient, sender)
        if (box.letters >= MAILBOX_LETTERS_MAX || box.bytes + letter.length > MAILBOX_BYTES_MAX) return false
        if (fromSender.letters >= MAILBOX_SENDER_LETTERS_MAX) return false
        if (total('').bytes + letter.length > MAIL_BYTES_MAX) return false
        db.prepare(
          'INSERT INTO letters (recipient, sender, letter, bytes, time_ms) VALUES (?, ?, ?, ?, ?)',
        ).run(recipient, sender, letter, letter.length, nowMs)
        return true
      })()
    },
    take(person, after, bytesMax, nowMs) {
      const recipient = nameOf(person)
      expire(nowMs)
      db.prepare('DELETE FROM letters WHERE recipient = ? AND number <= ?').run(recipient, after)
      const waiting = db
        .prepare('SELECT number, letter FROM letters WHERE recipient = ? ORDER BY number LIMIT 65')
        .all(recipient) as Letter[]
      const letters: Letter[] = []
      let room = bytesMax
      for (const { number, letter } of waiting.slice(0, 64)) {
        if (letter.length > room) break
        room -= letter.length
        letters.push({ number, letter: new Uint8Array(letter) })
      }
      return { letters, more: letters.length < waiting.length }
    },
  }
}
