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

/** Whoever asks to drop something is on his way out: each step takes no longer. */
const STEP_MS_MAX = 3_000

/**
 * Tells one storage node to drop all it has of an object.
 * @param version and every one before it. @throws XcareError OFFLINE, TIMEOUT, and what the node answers.
 */
export async function dropColumns(
  { network, transport }: { network: string; transport: Transport },
  peer: PeerAddress,
  { objectId, version }: { objectId: Uint8Array; version: number },
  ownerKey: SigningKey,
): Promise<void> {
  const fields = { objectId, version, ownerKey: ownerKey.publicKey }
  const signature = ownerKey.sign(DELETE_DOMAIN, deleteOrderBytes({ network, ...fields }))
  let stream: FrameStream | null = null
  try {
    stream = await transport.open(peer, FRAGMENT_PROTOCOL, AbortSignal.timeout(STEP_MS_MAX))
    await stream.write(...encodeFrame({ op: 'DELETE', ...fields, signature }))
    const reply = await readNodeMessage(stream, STEP_MS_MAX)
    if (reply.op !== 'END') throw unexpected(reply)
    stream.release()
  } catch (error) {
    stream?.abort(asXcareError(error))
    throw error
  }
}
