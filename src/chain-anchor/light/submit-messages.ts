import type { SigningKey } from '../../crypto/sign.ts'
import { HEADER_AGE_MS_MAX } from '../../limits.ts'
import type { Ledger, Random, SentTx } from '../../ports.ts'
import type { Message } from '../app/messages.ts'
import { buildTx, validUntil } from '../app/tx.ts'

/** What putting messages on the chain needs of the world. */
export interface SubmitPorts {
  ledger: Ledger
  random: Random
}

/**
 * Makes one transaction of `messages`, signed by all of `signers`, and sends it.
 * @returns once the effect of each message is proven by a verified header.
 * @throws XcareError as `Ledger.submit`
 */
export async function submitMessages(
  ports: SubmitPorts,
  messages: Message[],
  signers: SigningKey[],
): Promise<{ height: number }> {
  return ports.ledger.submit(await txOf(ports, messages, signers))
}

/**
 * As `submitMessages`, with an endpoint's word for the block before the proof. Whoever takes the word must
 * await `proven` before anything is told done.
 */
export async function sendMessages(
  ports: SubmitPorts,
  messages: Message[],
  signers: SigningKey[],
): Promise<SentTx> {
  return ports.ledger.send(await txOf(ports, messages, signers))
}

async function txOf(
  { ledger, random }: SubmitPorts,
  messages: Message[],
  signers: SigningKey[],
): Promise<Uint8Array> {
  const { height, chainId } = await ledger.head(HEADER_AGE_MS_MAX)
  const draft = { chainId, uniqueId: random.bytes(16), validUntilHeight: validUntil(height) }
  return buildTx({ ...draft, messages, signers })
}
