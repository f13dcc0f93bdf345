import type { StateOverlay } from './state.ts'

/** Where in the chain a transaction is judged: everything a rule may depend on besides the state. */
export interface BlockContext {
  chainId: string
  /** Version of the rules: `version.app` in the block's header. */
  rules: number
  height: number
  /** Time in the block's header, in ms. */
  timeMs: number
}

/** What one message is judged by. */
export interface MessageContext extends BlockContext {
  state: StateOverlay
  /** Whether the transaction carries a valid signature of this 32-byte key. */
  signedBy(key: Uint8Array): boolean
}
