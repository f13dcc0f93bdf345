import type { SealedManifest, WrittenObject } from '../../fragment/manifest.ts'
import type { StripeFragments } from '../../fragment/writer.ts'
import type { RangePart, SealJob } from '../../light-node/coder.ts'

/** What the coder thread can be asked, by kind. `stream` names a sealing, an opening or a rebuilding under way. */
export interface Questions {
  seal: { job: SealJob }
  write: { stream: number; plain: Uint8Array }
  finish: { stream: number; sealed: SealedManifest }
  open: { manifest: Uint8Array; custodyKey: Uint8Array; shares: Uint8Array[][] }
  stripe: { stream: number; stripe: number; fragments: (Uint8Array | null)[] }
  range: { stream: number; offset: number; length: number; parts: RangePart[] }
  rebuilding: { manifest: Uint8Array }
  rebuild: { stream: number; stripe: number; columns: number[]; fragments: (Uint8Array | null)[] }
}

/** What it answers. */
export interface Answers {
  seal: number
  write: StripeFragments[]
  finish: { stripes: StripeFragments[]; written: WrittenObject; sealed: Uint8Array }
  open: { stream: number; sealed: SealedManifest }
  stripe: Uint8Array
  range: Uint8Array
  rebuilding: number
  rebuild: Uint8Array[]
}

/** One question as it crosses to the thread; `close` and `recycle` get no answer. */
export type Question =
  | { [K in keyof Questions]: { id: number; kind: K } & Questions[K] }[keyof Questions]
  | Remark

/** What the thread is told without an answer: to forget a stream, or to use the buffer of a stripe or of its plaintext again. */
export type Remark =
  | { kind: 'close'; stream: number }
  | { kind: 'recycle'; stream: number; bytes: Uint8Array }
