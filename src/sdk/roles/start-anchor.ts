import { resolve } from 'node:path'
import { startAnchor } from '../../anchor-node/anchor.ts'
import { systemRandom } from '../../crypto/random.ts'
import { XcareError } from '../../errors.ts'
import { startPeer } from '../../net/peer.ts'
import type { Progress } from '../../ports.ts'
import { TOPICS } from '../../wire/topics.ts'
import { systemClock } from '../clock.ts'
import { askEndpoints } from '../network/endpoints.ts'
import { networkFolder, readNetworkFileOrNull } from '../network/network-folder.ts'
import { newestRemembered } from '../network/remembered-chain.ts'
import type { StartedRole } from './role.ts'
import { keepPorts, keepSeed, keepSigningKey, readRoleFile } from './role-folder.ts'
import { onFreePorts, portsOf } from './role-peer.ts'

/** Two chains that go on from one would never agree again. @throws XcareError LOCKED */
async function refuseIfElsewhere(dir: string): Promise<void> {
  const network = await readNetworkFileOrNull(resolve(dir, '..')).catch(() => null)
  // The first endpoint is the network's own; others may go on without it.
  const [own] = network ? await askEndpoints({ ...network, rpc: network.rpc.slice(0, 1) }) : []
  if (own?.height == null) return
  throw new XcareError(
    'LOCKED',
    `the chain of this network is served at ${own.url} already: this folder is a copy of its folder, or the other way round`,
    { next: 'use that one, or take it down first and then start this one' },
  )
}

/** Starts the anchoring chain of the folder `dir`: engine, RPC, and a peer that gossips new headers. */
export async function startAnchorRole(dir: string, log: Progress, takesOver = false): Promise<StartedRole> {
  const role = await readRoleFile(dir, 'anchor')
  if (!takesOver) await refuseIfElsewhere(dir)
  const governor = await keepSigningKey(dir, 'governor')
  const seed = await keepSeed(dir, 'peer')
  const peer = await onFreePorts(role, log, (listen) => startPeer({ seed, listen, topics: TOPICS }))
  const anchor = await startAnchor({
    dir,
    listenRpcPort: role.rpcPort,
    genesis: { governors: [governor.publicKey] },
    remembered: (chainId) => newestRemembered(networkFolder(resolve(dir, '..')), chainId),
    broadcast: peer.broadcast,
    clock: systemClock,
    random: systemRandom,
    log,
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
