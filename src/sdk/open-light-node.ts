import { systemRandom } from '../crypto/random.ts'
import type { SigningKey } from '../crypto/sign.ts'
import { openDirectory } from '../dht/directory.ts'
import { kadService } from '../dht/service.ts'
import { journalKeyOf, newObject, noticeKeyOf, noticeTagOf, ownerKeyOf } from '../identity/keypair.ts'
import type { CustodyKeySource, GetPorts } from '../light-node/get.ts'
import type { GrantPorts } from '../light-node/guardians/grant.ts'
import { type CustodyKeyPorts, custodyKeySource } from '../light-node/guardians/read-as-grantee.ts'
import type { PutRecordPorts } from '../light-node/put-record.ts'
import { resumeRemovals } from '../light-node/remove-record.ts'
import { sayAgain } from '../light-node/unfinished/say-again.ts'
import { type Peer, startPeer } from '../net/peer.ts'
import type { Progress } from '../ports.ts'
import { cachedLedger } from './cached-ledger.ts'
import { systemClock } from './clock.ts'
import { startCoder } from './coder/coder-thread.ts'
import { openFolder } from './folder.ts'
import { forgivingFolder } from './forgiving-folder.ts'
import type { NetworkFile } from './network/network-folder.ts'
import { openNetworkLedger } from './network/network-ledger.ts'
import type { OpenWallet } from './wallet.ts'

/** Everything the recipes of a light node need of the world. */
export interface LightNodePorts extends PutRecordPorts, GetPorts, CustodyKeyPorts, GrantPorts {
  /** The one-time owner key of an object of this person. */
  ownerKeyOf(objectId: Uint8Array): SigningKey
}

/** A light node that acts for the person of an unlocked wallet. */
export interface LightNode {
  wallet: OpenWallet
  ports: LightNodePorts
  /** The owner's own key from the vault, or a release under a grant. */
  custodyKeyOf: CustodyKeySource
  peer: Peer
  close(): Promise<void>
}

/** What a light node is made of. `cache` is a folder that may be deleted at any time. */
export interface LightNodeOptions {
  network: NetworkFile
  wallet: OpenWallet
  cache: string
  progress: Progress
  /** Ends puts under way. */
  signal?: AbortSignal
  /** Gossip topics to listen to; none for a command that only asks. */
  topics?: string[]
}

const READ_ONLY =
  'the folder of this wallet cannot be written: your records can be read, and nothing is remembered'

function saidAgainText(sent: number): string {
  const what = sent === 1 ? 'one thing' : `${sent} things`
  return `the chain did not show ${what} that this wallet took back; it was sent again and is there now`
}

/**
 * Starts a light node: a peer that only dials, a light client of its own, a thread for the CPU work. Removals
 * that are under way go on beside it.
 */
export async function openLightNode({
  network,
  wallet,
  cache,
  progress,
  signal,
  topics = [],
}: LightNodeOptions): Promise<LightNode> {
  let isTold = false
  const tell = () => {
    if (!isTold) progress({ type: 'warning', text: READ_ONLY })
    isTold = true
  }
  const kept = await forgivingFolder(async () => wallet.folder, tell)
  const cached = await forgivingFolder(() => openFolder(cache), tell)
  const ledger = cachedLedger(await openNetworkLedger(network, kept), cached, systemClock)
  const peer = await startPeer({
    // A fresh identity each time, so that storage nodes cannot tell whose records are read together.
    seed: systemRandom.bytes(32),
    listen: [],
    topics,
    services: { kad: kadService({ serverMode: false }) },
  })
  const coder = startCoder()
  const ports: LightNodePorts = {
    network: network.network,
    ledger,
    transport: peer,
    directory: openDirectory(peer),
    coder,
    clock: systemClock,
    random: systemRandom,
    progress,
    vault: wallet.vault,
    journals: { shelf: wallet.puts, key: journalKeyOf(wallet.root) },
    ...(signal ? { signal } : {}),
    root: wallet.root,
    did: wallet.did,
    signing: wallet.keys.signing,
    kem: wallet.keys.kem,
    newObject: () => newObject(wallet.root, systemRandom),
    ownerKeyOf: (objectId) => ownerKeyOf(wallet.root, objectId),
    noticeAddressOf: async (objectId) => ({
      noticeKey: (await noticeKeyOf(wallet.root, objectId)).publicKey,
      noticeTag: noticeTagOf(wallet.root, objectId),
    }),
  }
  const ending = new AbortController()
  const resumed = Promise.allSettled([
    resumeRemovals(ports, ending.signal),
    sayAgain(ports, ending.signal).then((sent) => {
      if (sent > 0) progress({ type: 'warning', text: saidAgainText(sent) })
    }),
  ])
  return {
    wallet,
    ports,
    custodyKeyOf: custodyKeySource(ports),
    peer,
    async close() {
      ending.abort()
      await Promise.all([coder.close(), peer.stop()])
      await resumed
      await wallet.close()
    },
  }
}
