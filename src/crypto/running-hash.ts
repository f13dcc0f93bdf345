import { sha256 } from '@noble/hashes/sha2.js'

/** SHA-256 of bytes that come one after another. */
export interface RunningHash {
  update(bytes: Uint8Array): void
  /** @returns 32 bytes; nothing can be added afterwards. */
  digest(): Uint8Array
}

/** @returns a SHA-256 to be fed in pieces, the same on every platform; for whole byte arrays `sha256` of hash.ts is faster. */
export function startSha256(): RunningHash {
  const hash = sha256.create()
  return {
    update: (bytes) => {
      hash.update(bytes)
    },
    digest: () => hash.digest(),
  }
}
