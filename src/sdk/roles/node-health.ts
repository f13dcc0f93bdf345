import { systemRandom } from '../../crypto/random.ts'
import { readNodeMessage, unexpected } from '../../light-node/columns/node-message.ts'
import { DIAL_MS } from '../../limits.ts'
import { type Peer, startPeer } from '../../net/peer.ts'
import type { PeerAddress } from '../../ports.ts'
import { encodeFrame, FRAGMENT_PROTOCOL, type MessageOf } from '../../wire/fragment-protocol.ts'

/** What a node says of its disk and of what it sees of the chain. */
export type NodeHealth = Omit<MessageOf<'HEALTH'>, 'op'>

/** What several disks say together. */
export interface DiskHealth {
  /** Nodes that told. */
  nodes: number
  /** Fragments found damaged and not made again yet. */
  damaged: number
  /** When the fragment that waits for longest was last read, in ms; 0 when there is none. */
  unreadSinceMs: number
}

/**
 * @returns what the node at `address` says; null when it is of a version that does not.
 * @throws XcareError OFFLINE, TIMEOUT
 */
export async function askHealth(peer: Peer, address: PeerAddress): Promise<NodeHealth | null> {
  const stream = await peer.open(address, FRAGMENT_PROTOCOL, AbortSignal.timeout(DIAL_MS))
  await stream.write(...encodeFrame({ op: 'GET_HEALTH' }))
  const reply = await readNodeMessage(stream, DIAL_MS).catch(() => null)
  if (reply === null) return null
  if (reply.op !== 'HEALTH') throw unexpected(reply)
  const { op, ...health } = reply
  void stream.close().catch(() => {})
  return health
}

/** Asks several nodes side by side; who does not answer is left out. */
export async function diskHealth(addresses: readonly PeerAddress[]): Promise<DiskHealth> {
  const peer = await startPeer({ seed: systemRandom.bytes(32), listen: [] })
  try {
    const all = await Promise.all(addresses.map((address) => askHealth(peer, address).catch(() => null)))
    const told = all.filter((health) => health !== null)
    const unread = told.map(({ unreadSinceMs }) => unreadSinceMs).filter((ms) => ms > 0)
    return {
      nodes: told.length,
      damaged: told.reduce((sum, { damaged }) => sum + damaged, 0),
      unreadSinceMs: unread.length > 0 ? Math.min(...unread) : 0,
    }
  } finally {
    await peer.stop()
  }
}
