import { systemRandom } from '../../crypto/random.ts'
import { XcareError } from '../../errors.ts'
import { readNodeMessage, unexpected } from '../../light-node/columns/node-message.ts'
import { DIAL_MS } from '../../limits.ts'
import { startPeer } from '../../net/peer.ts'
import type { PeerAddress } from '../../ports.ts'
import { encodeFrame, FRAGMENT_PROTOCOL, type MessageOf } from '../../wire/fragment-protocol.ts'
import { runningRole } from './role.ts'
import { readRoleFile } from './role-folder.ts'

/** Counters of a running node, asked of the node itself. */
export type NodeStatus = Omit<MessageOf<'STATUS'>, 'op'> & {
  nodeId: string
  pid: number
  addresses: string[]
}

/** @returns what the node of the folder `dir` says of itself. @throws XcareError NOT_INITIALISED, OFFLINE when it does not run. */
export async function nodeStatus(dir: string): Promise<NodeStatus> {
  await readRoleFile(dir, 'node')
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
    return { ...counters, nodeId: address.nodeId, pid: run.pid, addresses: address.addresses }
  } finally {
    await peer.stop()
  }
}
