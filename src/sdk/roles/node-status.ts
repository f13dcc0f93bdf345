import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { systemRandom } from '../../crypto/random.ts'
import { XcareError } from '../../errors.ts'
import { readNodeMessage, unexpected } from '../../light-node/columns/node-message.ts'
import { DIAL_MS } from '../../limits.ts'
import { startPeer } from '../../net/peer.ts'
import type { PeerAddress } from '../../ports.ts'
import { encodeFrame, FRAGMENT_PROTOCOL, type MessageOf } from '../../wire/fragment-protocol.ts'
import { askEndpoints } from '../network/endpoints.ts'
import { runningRole } from './life.ts'
import { networkOfPart } from './network-of.ts'
import { askHealth, type NodeHealth } from './node-health.ts'
import { readRoleFile } from './role-folder.ts'

/** Counters of a running node, asked of the node itself. */
export type NodeStatus = Omit<MessageOf<'STATUS'>, 'op'> & {
  nodeId: string
  pid: number
  addresses: string[]
  /** Whether a chain endpoint of its network answers; what it says is not proven here. */
  chain: boolean
  /** Whether the files of its volumes are still where it keeps them. */
  hasVolumes: boolean
  /** What it says of its disk; null when it is of a version that does not. */
  health: NodeHealth | null
}

/** @returns what the node of the folder `dir` says of itself. @throws XcareError NOT_INITIALISED, OFFLINE when it does not run. */
export async function nodeStatus(dir: string): Promise<NodeStatus> {
  const { networkDir } = await readRoleFile(dir, 'node')
  const run = await runningRole(dir)
  if (!run)
    throw new XcareError('OFFLINE', `the storage node in ${dir} does not run`, {
      next: `npx xcare node run --dir ${dir}`,
    })
  const address = run.ready as unknown as PeerAddress
  const peer = await startPeer({ seed: systemRandom.bytes(32), listen: [] })
  try {
    const stream = await peer.open(address, FRAGMENT_PROTOCOL, AbortSignal.timeout(DIAL_MS))
    await stream.write(...encodeFrame({ op: 'GET_STATUS' }))
    const reply = await readNodeMessage(stream, DIAL_MS)
    if (reply.op !== 'STATUS') throw unexpected(reply)
    const { op, ...counters } = reply
    void stream.close().catch(() => {})
    const health = await askHealth(peer, address)
    const heights = await askEndpoints(await networkOfPart(dir, networkDir))
    return {
      ...{ ...counters, nodeId: address.nodeId, pid: run.pid, addresses: address.addresses },
      chain: heights.some(({ height }) => height !== null),
      hasVolumes: existsSync(join(dir, 'data', 'volumes', 'STORE')) && (health?.lostVolumes ?? 0) === 0,
      health,
    }
  } finally {
    await peer.stop()
  }
}
