import type { SigningKey } from '../crypto/sign.ts'
import type { XcareError } from '../errors.ts'
import type { ClientMessage, NodeMessage } from '../wire/fragment-protocol.ts'
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
  /** Version of the program, for STATUS. */
  version: string
  /** Told after each finished put. Must not throw. */
  onComplete(column: { objectId: Uint8Array; column: number; k: number; n: number }): void
}

/** One stream as the handlers of requests see it. */
export interface Conversation {
  readonly parts: ServeParts
  /** Sends one message. */
  send(message: NodeMessage): Promise<void>
  /** @returns the client's next message, or null at its end. A client that says nothing for long has ended. @throws XcareError MALFORMED, OFFLINE */
  next(): Promise<ClientMessage | null>
  /** Tells the client at once that the stream ends because of `problem`. */
  interrupt(problem: XcareError): void
}
