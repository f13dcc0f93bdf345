import type { SigningKey } from '../crypto/sign.ts'
import type { XcareError } from '../errors.ts'
import type { NodeId } from '../ids.ts'
import type { NodeMessage } from '../wire/fragment-protocol.ts'
import type { Audience } from './admit.ts'
import type { FragmentStore } from './fragment-store.ts'
import type { StreamGate } from './stream-gate.ts'

/** What serving needs. */
export interface ServeParts {
  store: FragmentStore
  audience: Audience
  /** The node's key: signs storage receipts. */
  key: SigningKey
  gate: StreamGate
  /**
   * @returns the owner key of an object that is on the chain, 32 bytes, or null.
   * @throws XcareError OFFLINE without a fresh header.
   */
  anchoredOwner(objectId: Uint8Array): Promise<Uint8Array | null>
  /** Told of each order that is rightly signed by its owner key, and from whom it came. Must not throw. */
  onOrder?(peer: NodeId, order: { objectId: Uint8Array; ownerKey: Uint8Array }): void
  /** Version of the program, for STATUS. */
  version: string
  /**
   * When the node last saw a fresh header of the chain, in ms, 0 for never, and whether the chain lists it as
   * it is.
   */
  chain(): { chainSeenMs: number; registered: boolean }
  /** Told after each finished put, with the first of its columns. Must not throw. */
  onComplete(column: { objectId: Uint8Array; column: number; k: number; n: number }): void
}

/** One stream as the handlers of requests see it. */
export interface Conversation {
  readonly parts: ServeParts
  /** Sends one message. */
  send(message: NodeMessage): Promise<void>
  /** Sends one frame whose parts are made already. */
  write(...parts: Uint8Array[]): Promise<void>
  /**
   * Runs `answer` with room for `bytes` of memory until all was sent; by `keep` it says how much it really
   * needs.
   * @throws XcareError BUSY without room.
   */
  withRoom(bytes: number, answer: (keep: (bytes: number) => void) => Promise<void>): Promise<void>
  /** Resolves when nothing that was sent is read from its memory any more. */
  flushed(): Promise<void>
  /** Gives back the memory of a frame that is stored. */
  recycle(frame: ArrayBuffer): void
  /** Says that an order of this stream is rightly signed. */
  proven(order: { objectId: Uint8Array; ownerKey: Uint8Array }): void
  /** Tells the client at once that the stream ends because of `problem`. */
  interrupt(problem: XcareError): void
}
