import { startAnchor } from '../../anchor-node/anchor.ts'
import { systemRandom } from '../../crypto/random.ts'
import { startPeer } from '../../net/peer.ts'
import { TOPICS } from '../../wire/topics.ts'
import { systemClock } from '../clock.ts'
import type { StartedRole } from './role.ts'
import { keepPorts, keepSeed, keepSigningKey, readRoleFile } from './role-folder.ts'
import { logLine, onFreePorts, portsOf } from './role-peer.ts'

/** Starts the anchoring chain of the folder `dir`: engine, RPC, and a peer that gossips new headers. */
export async function startAnchorRole(dir: string): Promise<StartedRole> {
  const role = await readRoleFile(dir, 'anchor')
  const governor = await keepSigningKey(dir, 'governor')
  const seed = await keepSeed(dir, 'peer')
  const peer = await onFreePorts(role, (listen) => startPeer({ seed, listen, topics: TOPICS }))
  const anchor = await startAnchor({
    dir,
    listenRpcPort: role.rpcPort,
    genesis: { governors: [governor.publicKey] },
    broadcast: peer.broadcast,
    clock: systemClock,
    random: systemRandom,
    log: logLine,
  })
  // A chain that cannot go on must not look alive.
  anchor.ended.catch(() => process.exit(1))
  await keepPorts(dir, role, portsOf(peer.addresses()))
  const { rpcUrl, chainId, trust } = anchor
  return {
    ready: { rpcUrl, chainId, trust, nodeId: peer.nodeId, addresses: peer.addresses() },
    stop: async () => {
      await anchor.stop()
      await peer.stop()
    },
  }
}
