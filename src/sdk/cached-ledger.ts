import { equalBytes, toHex } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import type { Folder, Ledger } from '../ports.ts'

/** Files kept at most; older epochs are fetched again when they are needed. */
const CACHED_MAX = 24

/** @returns `ledger` with its node lists and slot tables kept in `cache`, which may be deleted at any time. What comes from there is checked as what comes from the network is. */
export function cachedLedger(ledger: Ledger, cache: Folder): Ledger {
  return {
    head: (maxAgeMs) => ledger.head(maxAgeMs),
    read: (key, maxAgeMs) => ledger.read(key, maxAgeMs),
    submit: (tx) => ledger.submit(tx),
    blob: async (hash) => {
      const name = toHex(hash)
      const kept = await cache.read(name).catch(() => null)
      if (kept && equalBytes(sha256(kept), hash)) return kept
      const fetched = await ledger.blob(hash)
      await keep(cache, name, fetched).catch(() => {})
      return fetched
    },
  }
}

async function keep(cache: Folder, name: string, content: Uint8Array): Promise<void> {
  const names = await cache.list()
  if (names.length >= CACHED_MAX) for (const old of names) await cache.remove(old)
  await cache.replace(name, content)
}
