import type { Layout } from '../fragment/layout.ts'
import type { SealedManifest, WrittenObject } from '../fragment/manifest.ts'
import type { LeafRun } from '../fragment/range.ts'
import type { StripeFragments } from '../fragment/writer.ts'

/** What is to be sealed: one object. */
export interface SealJob {
  /** 32 bytes. */
  objectId: Uint8Array
  version: number
  /** 32 bytes. */
  custodyKey: Uint8Array
  /** Ed25519, 32 bytes. */
  ownerKey: Uint8Array
  layout: Layout
  /** Plaintext bytes that will be written. */
  length: number
}

/** Plaintext in, fragments out. */
export interface SealStream {
  /** @returns the stripes that became complete, in order. */
  write(plain: Uint8Array): Promise<StripeFragments[]>
  /** @returns the last stripes, the public facts and the sealed part of the manifest. @throws XcareError USAGE when another length was promised. */
  finish(
    sealed: SealedManifest,
  ): Promise<{ stripes: StripeFragments[]; written: WrittenObject; sealed: Uint8Array }>
  /** Gives the buffer of a stripe back that is durable everywhere, so that the next stripe needs no new memory. */
  recycle(bytes: Uint8Array): void
  /** Lets go of everything, finished or not, and uses the memory of all stripes again: only when nobody sends them any more. */
  close(): void
}

/** What a range is opened from: proven leaves, or k proven fragments of a stripe. */
export type RangePart =
  | { run: LeafRun; bytes: Uint8Array }
  | { stripe: number; fragments: (Uint8Array | null)[] }

/** Fragments in, plaintext out. */
export interface OpenStream {
  /** Names, types and true length. */
  readonly sealed: SealedManifest
  /** @param fragments n entries, whole fragments or null; their memory may move to another thread. Stripes come in order. @returns the plaintext that became final. */
  openStripe(stripe: number, fragments: (Uint8Array | null)[]): Promise<Uint8Array>
  /** @param parts in any order; together they cover the range. @returns `length` bytes of plaintext from `offset`. @throws XcareError USAGE, TOO_FEW_FRAGMENTS on a gap, INTEGRITY. */
  openRange(offset: number, length: number, parts: RangePart[]): Promise<Uint8Array>
  /** Gives back what `openStripe` returned, used and done with, so that the next stripe needs no new memory. */
  recycle(plain: Uint8Array): void
  close(): void
}

/** k fragments of a stripe in, lost ones out. */
export interface RebuildStream {
  /**
   * @param columns of the lost fragments, rising. @param fragments n entries, at least k of other columns, proven; their memory may move to another thread.
   * @returns the lost fragments, in order, byte for byte. @throws XcareError TOO_FEW_FRAGMENTS
   */
  rebuild(stripe: number, columns: number[], fragments: (Uint8Array | null)[]): Promise<Uint8Array[]>
  close(): void
}

/** Does the CPU work of sealing, coding and hashing; on Node in worker threads, so that the network is never kept waiting. */
export interface Coder {
  seal(job: SealJob): Promise<SealStream>
  /** @param manifest encoded and verified. @param shares per stripe the key shares of at least k columns. @throws XcareError INTEGRITY when the keys do not fit the manifest. */
  open(manifest: Uint8Array, custodyKey: Uint8Array, shares: Uint8Array[][]): Promise<OpenStream>
  /** @param manifest encoded and verified. */
  rebuild(manifest: Uint8Array): Promise<RebuildStream>
  /** Ends the threads. */
  close(): Promise<void>
}
