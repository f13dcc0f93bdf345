import type { SigningKey } from '../../crypto/sign.ts'
import { asXcareError } from '../../errors.ts'
import type { FrameStream, PeerAddress, Transport } from '../../ports.ts'
import {
  DELETE_DOMAIN,
  deleteOrderBytes,
  encodeFrame,
  FRAGMENT_PROTOCOL,
} from '../../wire/fragment-protocol.ts'
import { readNodeMessage, unexpected } from './node-message.ts'

/** How long reaching a node and its answer may take, in ms. */
export interface DropPatience {
  dialMs: number
  answerMs: number
}

/** Whoever gives something up is on his way out. */
const IN_PASSING: DropPatience = { dialMs: 3_000, answerMs: 3_000 }

/**
 * Tells one storage node to drop all it has of an object.
 * @param version and every one before it. @throws XcareError OFFLINE, TIMEOUT, and what the node answers.
 */
export async function dropColumns(
  { network, transport }: { network: string; transport: Transport },
  peer: PeerAddress,
  { objectId, version }: { objectId: Uint8Array; version: number },
  ownerKey: SigningKey,
  { dialMs, answerMs }: DropPatience = IN_PASSING,
): Promise<void> {
  const fields = { objectId, version, ownerKey: ownerKey.publicKey }
  const signature = ownerKey.sign(DELETE_DOMAIN, deleteOrderBytes({ network, ...fields }))
  let stream: FrameStream | null = null
  try {
    stream = await transport.open(peer, FRAGMENT_PROTOCOL, AbortSignal.timeout(dialMs))
    await stream.write(...encodeFrame({ op: 'DELETE', ...fields, signature }))
    const reply = await readNodeMessage(stream, answerMs)
    if (reply.op !== 'END') throw unexpected(reply)
    stream.release()
  } catch (error) {
    stream?.abort(asXcareError(error))
    throw error
  }
}
