import { XcareError } from '../../errors.ts'
import { FRAME_BYTES_MAX } from '../../limits.ts'
import type { FrameStream } from '../../ports.ts'
import { decodeNodeFrame, type NodeMessage } from '../../wire/fragment-protocol.ts'

/**
 * @param idleMs how long the node may say nothing.
 * @param frameBytes how long its message may be.
 * @returns it.
 * @throws XcareError with the node's own code for ERR, OFFLINE when the stream ended, TIMEOUT, MALFORMED.
 */
export async function readNodeMessage(
  stream: FrameStream,
  idleMs: number,
  frameBytes: number = FRAME_BYTES_MAX,
): Promise<NodeMessage> {
  const frame = await stream.read(frameBytes, idleMs)
  if (frame === null) throw new XcareError('OFFLINE', `storage node ${stream.remote} hung up`)
  const message = decodeNodeFrame(frame)
  if (message.op === 'ERR') throw new XcareError(message.code, message.message)
  return message
}

/** @returns the error for a message that does not belong here. */
export function unexpected(message: NodeMessage): XcareError {
  return new XcareError('MALFORMED', `a storage node answered ${message.op} out of turn`)
}
