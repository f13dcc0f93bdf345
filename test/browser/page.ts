import { fromHex, toHex } from '../../src/bytes.ts'
import { openLedger } from '../../src/chain-anchor/light/ledger.ts'
import { rpcProvider } from '../../src/chain-anchor/light/rpc-provider.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import { openDirectory } from '../../src/dht/directory.ts'
import { kadService } from '../../src/dht/service.ts'
import { PROFILES } from '../../src/fragment/profile.ts'
import { newObject, noticeKeyOf, noticeTagOf, ownerKeyOf, vaultKeyOf } from '../../src/identity/keypair.ts'
import { openVault } from '../../src/identity/vault.ts'
import { type ObjectId, objectIdToBytes } from '../../src/ids.ts'
import { localCoder } from '../../src/light-node/coder-local.ts'
import { openRecord } from '../../src/light-node/get-record.ts'
import { putRecord, type RecordSource, slicesOf } from '../../src/light-node/put-record.ts'
import { startPeer } from '../../src/net/peer.ts'
import { systemClock } from '../../src/sdk/clock.ts'
import { memoryFolder } from '../guardian-node/ports.ts'

/** What the page is told. Keys and hashes are hex. */
export interface Task {
  network: string
  trust: { height: number; hash: string }
  putBytes: number
  /** A record that a process stored. */
  get: { objectId: string; custodyKey: string }
}

/** What the page tells. */
export interface Told {
  error?: string
  stored: { objectId: string; custodyKey: string; sha256: string; weakest: unknown }
  /** SHA-256 of its own record read back, and of the one it was to read. */
  back: string
  got: string
  ms: { put: number; get: number }
}

/** The recipes of a light node over what a page has. */
async function openPageNode({ network, trust }: Task) {
  const provider = rpcProvider(`${location.origin}/rpc`, systemClock)
  const ledger = await openLedger({
    ...{ provider, witnesses: [], chainId: network, store: memoryFolder(), clock: systemClock },
    trust: { height: trust.height, hash: fromHex(trust.hash) },
  })
  const peer = await startPeer({
    seed: systemRandom.bytes(32),
    listen: [],
    services: { kad: kadService({ serverMode: false }) },
  })
  const root = systemRandom.bytes(32)
  const vault = await openVault(memoryFolder(), vaultKeyOf(root), systemRandom)
  return {
    ...{ network, ledger, vault, clock: systemClock, random: systemRandom },
    transport: peer,
    directory: openDirectory(peer),
    coder: localCoder(systemRandom),
    progress: () => {},
    journals: null,
    ownerKeyOf: (objectId: Uint8Array) => ownerKeyOf(root, objectId),
    newObject: () => newObject(root, systemRandom),
    noticeAddressOf: async (objectId: Uint8Array) => ({
      noticeKey: (await noticeKeyOf(root, objectId)).publicKey,
      noticeTag: noticeTagOf(root, objectId),
    }),
  }
}

function madeContent(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (at * 167 + (at >> 9)) & 0xff)
}

function sourceOf(content: Uint8Array): RecordSource {
  return {
    name: 'from a page.bin',
    mediaType: 'application/octet-stream',
    length: content.length,
    read: (offset, length) => slicesOf(content.subarray(offset, offset + length)),
  }
}

async function hashOf(content: AsyncIterable<Uint8Array>, length: number): Promise<string> {
  const all = new Uint8Array(length)
  let at = 0
  for await (const piece of content) {
    all.set(piece, at)
    at += piece.length
  }
  return toHex(sha256(all.subarray(0, at)))
}

async function run(task: Task): Promise<Told> {
  const ports = await openPageNode(task)
  const content = madeContent(task.putBytes)
  const start = performance.now()
  const { objectId, weakest } = await putRecord(ports, sourceOf(content), PROFILES.grid)
  const stored = performance.now()
  const { custodyKey } = ports.vault.get(objectIdToBytes(objectId))!
  const own = await openRecord(ports, objectId, async () => custodyKey)
  const back = await hashOf(own.content, task.putBytes)
  const read = performance.now()
  const theirs = await openRecord(ports, task.get.objectId as ObjectId, async () =>
    fromHex(task.get.custodyKey),
  )
  return {
    stored: { objectId, custodyKey: toHex(custodyKey), sha256: toHex(sha256(content)), weakest },
    back,
    got: await hashOf(theirs.content, theirs.sealed.length),
    ms: { put: stored - start, get: read - stored },
  }
}

const task = (await (await fetch('/task')).json()) as Task
const told = await run(task).catch((error: Error) => ({ error: `${error.stack} ${error.cause ?? ''}` }))
await fetch('/told', { method: 'POST', body: JSON.stringify(told) })
