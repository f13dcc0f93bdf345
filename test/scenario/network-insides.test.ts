import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { identityKey } from '../../src/chain-anchor/app/keys.ts'
import { buildTx, validUntil } from '../../src/chain-anchor/app/tx.ts'
import { Members } from '../../src/chain-anchor/light/members.ts'
import { relayChainGossip } from '../../src/chain-anchor/light/relay.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import { PROFILES } from '../../src/fragment/profile.ts'
import { identityOf } from '../../src/identity/keypair.ts'
import { objectIdToBytes } from '../../src/ids.ts'
import { locateObject } from '../../src/light-node/locate.ts'
import { addressOf, readNetworkView } from '../../src/light-node/network-view.ts'
import { putRecord, type StoredRecord } from '../../src/light-node/put-record.ts'
import { startPeer } from '../../src/net/peer.ts'
import type { NetworkFile } from '../../src/sdk/network/network-folder.ts'
import type { LightNode } from '../../src/sdk/open-light-node.ts'
import { inMemory } from '../../src/sdk/sample/sample-patient.ts'
import { TOPICS, TXS_TOPIC } from '../../src/wire/topics.ts'
import { startWithLightNode } from './light-node.ts'
import { TestNetwork } from './network.ts'

const net = new TestNetwork()
const HINTS = 8
let network: NetworkFile
let node: LightNode
let stored: StoredRecord

beforeAll(async () => {
  ;({ network, node } = await startWithLightNode(net))
  const content = inMemory('inside.bin', 'application/octet-stream', systemRandom.bytes(50_000))
  stored = await putRecord(node.ports, content, PROFILES.grid)
}, 180_000)

afterAll(async () => {
  await node?.close()
  await net.end()
}, 60_000)

/** Holders of the record that the DHT names, asked again until it has heard of `atLeast`. */
async function found(atLeast: number): Promise<string[]> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const hints = await node.ports.directory!.find(stored.objectId, HINTS, AbortSignal.timeout(10_000))
    if (hints.length >= atLeast) return hints.map(({ nodeId }) => nodeId)
    await node.ports.clock.sleep(500)
  }
  return []
}

describe('inside a local network', () => {
  test('who has only an object id finds holders of it through the DHT, also with six nodes gone', async () => {
    const { holders } = await locateObject(node.ports.ledger, stored.objectId)
    const keepers = new Set(holders.map((holder) => holder?.nodeId))
    const before = await found(7)
    expect(before.length).toBeGreaterThanOrEqual(7)
    expect(before.every((nodeId) => keepers.has(nodeId as never))).toBe(true)
    const gone = ['01', '02', '03', '04', '05', '06']
    for (const name of gone) net.kill(`nodes/${name}`)
    expect((await found(1)).length).toBeGreaterThan(0)
    await Promise.all(gone.map((name) => net.restart(`nodes/${name}`)))
  }, 120_000)

  const gossipView = () => {
    const { ledger, clock } = node.ports
    return { network: network.network, ledger, clock, members: new Members(ledger) }
  }

  test('headers travel by gossip to a peer that knows storage nodes only', async () => {
    const listener = await startPeer({ seed: systemRandom.bytes(32), listen: [], topics: TOPICS })
    try {
      const heard = new Promise<number>((resolve) =>
        relayChainGossip(listener.broadcast, gossipView(), resolve),
      )
      const { nodes } = await readNetworkView(node.ports.ledger, null)
      const some = nodes.slice(-3).map(addressOf)
      await Promise.all(some.map((to) => listener.connect(to, AbortSignal.timeout(10_000))))
      expect(await heard).toBeGreaterThan(2)
    } finally {
      await listener.stop()
    }
  }, 60_000)

  test('a transaction travels by gossip from a peer that knows storage nodes only to the chain', async () => {
    const { did, inception, keys } = await identityOf(systemRandom.bytes(32), network.network)
    const { height } = await node.ports.ledger.head(30_000)
    const tx = buildTx({
      chainId: network.network,
      uniqueId: systemRandom.bytes(16),
      validUntilHeight: validUntil(height),
      messages: [{ type: 'identity.register', did, inception }],
      signers: [keys.signing],
    })
    const teller = await startPeer({ seed: systemRandom.bytes(32), listen: [], topics: TOPICS })
    try {
      relayChainGossip(teller.broadcast, gossipView())
      const { nodes } = await readNetworkView(node.ports.ledger, null)
      await Promise.all(
        nodes.slice(-3).map((to) => teller.connect(addressOf(to), AbortSignal.timeout(10_000))),
      )
      let known: Uint8Array | null = null
      let told = false
      for (let attempt = 0; attempt < 30 && !known; attempt++) {
        told ||= (await teller.broadcast.publish(TXS_TOPIC, tx)) > 0
        await node.ports.clock.sleep(500)
        known = (await node.ports.ledger.read(identityKey(did), 30_000)).value
      }
      expect(told).toBe(true)
      expect(known).not.toBeNull()
    } finally {
      await teller.stop()
    }
  }, 60_000)

  test('no key of the owner is found with any other party', () => {
    const { vault, root } = node.wallet
    const kept = vault.get(objectIdToBytes(stored.objectId))!
    const secrets = [root, kept.custodyKey].flatMap((key) => [
      Buffer.from(key),
      Buffer.from(Buffer.from(key).toString('hex')),
      Buffer.from(Buffer.from(key).toString('base64')),
    ])
    const others = ['anchor', 'nodes', 'guardians'].flatMap((part) =>
      readdirSync(join(net.root, part), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name)),
    )
    expect(others.length).toBeGreaterThan(50)
    expect(others.filter((path) => secrets.some((secret) => readFileSync(path).includes(secret)))).toEqual([])
  })
})
