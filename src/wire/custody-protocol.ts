import { REFUSAL_REASONS } from '../custody/release/refusal.ts'
import {
  CUSTODY_GUARDIANS_MAX,
  CUSTODY_MESSAGE_BYTES_MAX,
  DID_TEXT_MAX,
  LETTER_BYTES_MAX,
  PEER_ID_TEXT_MAX,
  RECEIPT_HASHES_MAX,
  RECEIPT_OBJECTS_MAX,
  RECEIPTS_IN_ANSWER_MAX,
} from '../limits.ts'
import { bytes, bytesMax, format, text, uint, z } from '../schema.ts'

/** Protocol name under which guardians serve. One request frame, one answer frame, again and again until the asker closes. */
export const CUSTODY_PROTOCOL = '/xcare/custody/1'

/** A signed statement other than a grant: deposit, order, question, receipt. */
const statement = bytesMax(8192)
const message = <T extends string, S extends z.ZodRawShape>(type: T, shape: S) =>
  z.strictObject({ type: z.literal(type), ...shape })

const request = z.discriminatedUnion('type', [
  // `height` is the block of the custody record, for a guardian that has not seen it yet; 0 when it is not known.
  message('deposit', { deposit: statement, height: uint() }),
  message('release', { sealed: statement }),
  message('destroy', { order: statement }),
  message('receipts', { fromSeq: uint(), questions: z.array(bytesMax(768)).min(1).max(RECEIPT_OBJECTS_MAX) }),
  message('mail.put', { recipient: text(DID_TEXT_MAX), letter: bytesMax(LETTER_BYTES_MAX) }),
  message('mail.get', { question: statement }),
  message('status', {}),
])

const answer = z.discriminatedUnion('type', [
  message('deposited', { receipt: statement }),
  message('released', {
    requestHash: bytes(32),
    objectId: bytes(32),
    epoch: uint(),
    index: uint(CUSTODY_GUARDIANS_MAX - 1),
    sealed: statement,
    receipt: statement,
  }),
  message('destroyed', { receipt: statement }),
  // `prev` is the link before receipt `fromSeq`; `hashes` are those of the receipts from there on, 32 bytes each.
  message('receipts', {
    fromSeq: uint(),
    prev: bytes(32),
    hashes: bytesMax(RECEIPT_HASHES_MAX * 32).refine((all) => all.length % 32 === 0, 'whole hashes'),
    own: z.array(statement).max(RECEIPTS_IN_ANSWER_MAX),
    count: uint(),
  }),
  message('mailed', {}),
  message('mail', {
    letters: z.array(z.strictObject({ number: uint(), letter: bytesMax(LETTER_BYTES_MAX) })).max(64),
    more: z.boolean(),
  }),
  message('status', {
    guardianId: text(PEER_ID_TEXT_MAX),
    network: text(64),
    shares: uint(),
    receipts: uint(),
    height: uint(),
  }),
  message('refused', { reason: z.enum(REFUSAL_REASONS) }),
])

/** What a guardian can be asked. `type` tells which. Spec: docs/spec/custody-protocol.md 2. */
export type CustodyRequest = z.infer<typeof request>
/** The request whose `type` is `T`. */
export type RequestOf<T extends CustodyRequest['type']> = Extract<CustodyRequest, { type: T }>
/** What a guardian answers. */
export type CustodyAnswer = z.infer<typeof answer>
/** The answer whose `type` is `T`. */
export type AnswerOf<T extends CustodyAnswer['type']> = Extract<CustodyAnswer, { type: T }>
/** Codec of one request frame. */
export const requestFrame = format<CustodyRequest>('custody request', CUSTODY_MESSAGE_BYTES_MAX, request)
/** Codec of one answer frame. */
export const answerFrame = format<CustodyAnswer>('custody answer', CUSTODY_MESSAGE_BYTES_MAX, answer)
