import { uint, z } from '../schema.ts'
import * as shape from './_shapes.ts'
import { signedFormat } from './_signed.ts'

const question = z.strictObject({
  v: z.literal(1),
  network: shape.network,
  guardianId: shape.guardianId,
  did: shape.did,
  after: uint(),
  nonce: shape.bytes32,
  timeMs: shape.timeMs,
})

/** A person asks a guardian for letters numbered above `after`; those up to it have arrived and may go. Spec: docs/spec/custody-protocol.md 5. */
export type MailQuestion = z.infer<typeof question>
/** Signed by the sign key of the identity. */
export const mailQuestionFormat = signedFormat<MailQuestion>('mail question', 'xcare/mail/v1', 1024, question)
