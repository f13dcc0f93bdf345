import { utf8 } from '../../bytes.ts'
import { openSmall, sealSmall } from '../../crypto/secretbox.ts'
import { PARTS_MAX, RECORD_NAME_MAX } from '../../limits.ts'
import type { Random } from '../../ports.ts'
import { bytes, format, text, uint, z } from '../../schema.ts'

/** A journal, encoded, at most: the objects of the largest record, and the nodes of one of them. */
const JOURNAL_BYTES_MAX = 8 * 1024 * 1024
const NONCE_BYTES = 24
const AAD = utf8('xcare/put-journal/v1')
/** Beyond what systems allow; a path may hold any characters. */
const PATH_MAX = 32_768

const stored = {
  columns: uint(),
  columnsOf: uint(),
  milliNines: uint(),
  custodians: uint(),
  custodiansOf: uint(),
}

const object = {
  /** Place in the record, in bytes. */
  offset: uint(),
  bytes: uint(),
  objectId: bytes(32),
  version: uint().min(1),
  custodyKey: bytes(32),
  /** Since when, in ms. */
  begunMs: uint(),
  /** Storage nodes that may have fragments of it and were not told to drop them. */
  nodes: z.array(text(128)),
  /** Whether a transaction that anchors it may be on the chain, or on its way there. */
  isSent: z.boolean(),
  /** What it can count on once it is stored; null before. */
  stored: z.strictObject(stored).nullable(),
}

const source = { path: z.string().min(1).max(PATH_MAX), bytes: uint(), modifiedMs: uint() }

const journal = z.strictObject({
  v: z.literal(1),
  begunMs: uint(),
  /** What is put; null when only something is left to be dropped. */
  source: z.strictObject(source).nullable(),
  name: z.string().max(RECORD_NAME_MAX),
  /** Whatever else must be the same for what is stored to be of use: profile and object size. */
  shape: text(200),
  objects: z.array(z.strictObject(object)).max(PARTS_MAX),
})

/** One object of a put under way. */
export type JournalObject = z.infer<z.ZodObject<typeof object>>
/** What tells a file from another, and from itself after a change. */
export type SourceIdentity = z.infer<z.ZodObject<typeof source>>
/** A put under way, or what is left of one. */
export type JournalContent = z.infer<typeof journal>

const journalFormat = format<JournalContent>('put journal', JOURNAL_BYTES_MAX, journal)

/**
 * @param key 32 bytes that follow from the wallet's root.
 * @returns the journal sealed: names and keys are in it. Spec: docs/spec/put-journal.md.
 */
export function sealJournal(key: Uint8Array, random: Random, content: JournalContent): Uint8Array {
  return sealSmall(key, random.bytes(NONCE_BYTES), journalFormat.encode(content), AAD)
}

/** @throws XcareError INTEGRITY when it was altered or is of another wallet; MALFORMED */
export function openJournal(key: Uint8Array, sealed: Uint8Array): JournalContent {
  return journalFormat.decode(openSmall(key, sealed, AAD))
}
