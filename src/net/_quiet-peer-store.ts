import type { AbortOptions, Peer, PeerData, PeerId, PeerStore } from '@libp2p/interface'

/** For so long what was merged counts as known. The store may forget a peer meanwhile; then it is told again this much later. */
const KNOWN_MS = 30_000
const KNOWN_PEERS = 1024

interface Known {
  peer: Peer
  facts: Set<string>
  untilMs: number
}

/**
 * Spares `store` merges that would change nothing. The library merges the protocol of every stream and the addresses of every
 * provider record, each time under a lock, with the whole record read, compared, and put together anew: most of what a short
 * stream costs. A merge of protocols and addresses that were all merged within KNOWN_MS answers with that merge's result.
 * @param nowMs a clock that never goes back.
 */
export function quietMerges(store: PeerStore, nowMs: () => number = () => performance.now()): void {
  const known = new Map<string, Known>()
  const merge = store.merge.bind(store)
  const forgetting =
    <A extends unknown[], R>(change: (id: PeerId, ...rest: A) => Promise<R>) =>
    async (id: PeerId, ...rest: A): Promise<R> => {
      try {
        return await change(id, ...rest)
      } finally {
        known.delete(id.toString())
      }
    }
  store.merge = async (id: PeerId, data: PeerData, options?: AbortOptions): Promise<Peer> => {
    const facts = factsOf(data)
    if (!facts) return forgetting(merge)(id, data, options)
    const name = id.toString()
    const before = known.get(name)
    const isFresh = before !== undefined && nowMs() < before.untilMs
    if (isFresh && facts.every((fact) => before.facts.has(fact))) return before.peer
    const peer = await merge(id, data, options)
    if (known.size >= KNOWN_PEERS) known.clear()
    const untilMs = isFresh ? before.untilMs : nowMs() + KNOWN_MS
    known.set(name, { peer, facts: new Set([...(isFresh ? before.facts : []), ...facts]), untilMs })
    return peer
  }
  store.save = forgetting(store.save.bind(store))
  store.patch = forgetting(store.patch.bind(store))
  store.delete = forgetting(store.delete.bind(store))
}

/** @returns what a merge tells, or null when it tells more than protocols and addresses. */
function factsOf({ protocols = [], multiaddrs = [], ...more }: PeerData): string[] | null {
  if (Object.keys(more).length > 0) return null
  return [...protocols, ...multiaddrs.map((address) => address.toString())]
}
