import { equalBytes, toHex } from '../bytes.ts'
import { latestEpochKey } from '../chain-anchor/app/keys.ts'
import { sha256 } from '../crypto/hash.ts'
import type { Clock, Folder, Ledger, ProvenValue } from '../ports.ts'

/** Files kept at most; older epochs are fetched again when they are needed. */
const CACHED_MAX = 24
/** So long the newest epoch and header known count as the newest: many puts in a row ask for them once. The chain takes any epoch it knows. */
const NEWEST_MS = 1_000

/**
 * @returns `ledger` with its node lists and slot tables kept in memory and in `cache`, which may be deleted at any time, and with its
 * newest header and epoch asked for once a second at most. What comes from the folder is checked as what comes from the network is.
 */
export function cachedLedger(ledger: Ledger, cache: Folder, clock: Pick<Clock, 'nowMs'>): Ledger {
  const blobs = new Map<string, Uint8Array>()
  const head = shortly(clock, (maxAgeMs) => ledger.head(maxAgeMs))
  const epoch = shortly<ProvenValue>(clock, (maxAgeMs) => ledger.read(latestEpochKey(), maxAgeMs))
  const load = async (hash: Uint8Array, name: string) => {
    const kept = await cache.read(name).catch(() => null)
    if (kept && equalBytes(sha256(kept), hash)) return kept
    const fetched = await ledger.blob(hash)
    await keep(cache, name, fetched).catch(() => {})
    return fetched
  }
  return {
    head,
    read: (key, maxAgeMs, block) =>
      equalBytes(key, latestEpochKey()) && block === undefined
        ? epoch(maxAgeMs)
        : ledger.read(key, maxAgeMs, block),
    submit: (tx) => ledger.submit(tx),
    send: (tx) => ledger.send(tx),
    nextValidatorsHash: () => ledger.nextValidatorsHash?.() ?? null,
    blob: async (hash) => {
      const name = toHex(hash)
      const known = blobs.get(name)
      if (known) return known
      const loaded = await load(hash, name)
      if (blobs.size >= CACHED_MAX) blobs.clear()
      blobs.set(name, loaded)
      return loaded
    },
  }
}

/** @returns `ask` with its last answer given again within NEWEST_MS, as long as it is fresh enough. */
function shortly<T extends { timeMs: number }>(
  clock: Pick<Clock, 'nowMs'>,
  ask: (maxAgeMs: number) => Promise<T>,
): (maxAgeMs: number) => Promise<T> {
  let last: { answer: T; askedMs: number } | null = null
  return async (maxAgeMs) => {
    const nowMs = clock.nowMs()
    const isNew = last !== null && Math.abs(nowMs - last.askedMs) < NEWEST_MS
    if (last && isNew && nowMs - last.answer.timeMs <= maxAgeMs) return last.answer
    const answer = await ask(maxAgeMs)
    last = { answer, askedMs: nowMs }
    return answer
  }
}

async function keep(cache: Folder, name: string, content: Uint8Array): Promise<void> {
  const names = await cache.list()
  if (names.length >= CACHED_MAX) for (const old of names) await cache.remove(old)
  await cache.replace(name, content)
}
