import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { toHex } from '../../src/bytes.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import { bundleRecord, readBundleIndex } from '../../src/fragment/bundle.ts'
import { profileNamed } from '../../src/fragment/profile.ts'
import type { ObjectId } from '../../src/ids.ts'
import { openRecord } from '../../src/light-node/get-record.ts'
import { putBundle, putRecord } from '../../src/light-node/put-record.ts'
import { LOCAL_SIZE } from '../../src/sdk/network/local-network.ts'
import { type NetworkFolder, networkFolder } from '../../src/sdk/network/network-folder.ts'
import { rolesOf } from '../../src/sdk/network/parts.ts'
import { startNetwork, stopNetwork } from '../../src/sdk/network/start-network.ts'
import { type LightNode, openLightNode } from '../../src/sdk/open-light-node.ts'
import { runningRole } from '../../src/sdk/roles/life.ts'
import runtimeFlags from '../../src/sdk/roles/runtime-flags.json' with { type: 'json' }
import { inMemory } from '../../src/sdk/sample/sample-patient.ts'
import { createWallet, openWallet } from '../../src/sdk/wallet.ts'
import { type Sink, type StartOptions, type System, serve } from './serve.ts'

const TYPE = 'application/octet-stream'

// As bin/xcare.mjs starts a client.
for (const flag of runtimeFlags.client) setFlagsFromString(flag)

/** A whole local network, each part a process of its own; this process is the light node. A variant is a shape `k/n`. */
async function start({ scratch }: StartOptions): Promise<System> {
  const folder = networkFolder(join(scratch, 'network'))
  try {
    return await open(folder, scratch)
  } catch (error) {
    // Its processes outlive whoever started them.
    await stopNetwork(folder)
    throw error
  }
}

async function open(folder: NetworkFolder, scratch: string): Promise<System> {
  const network = await startNetwork(folder, LOCAL_SIZE, () => {})
  const passphrase = toHex(systemRandom.bytes(16))
  await createWallet(folder.wallet('bench'), network, passphrase)
  const wallet = await openWallet(folder.wallet('bench'), network, passphrase)
  const node = await openLightNode({ network, wallet, cache: join(scratch, 'cache'), progress: () => {} })
  const runs = await Promise.all((await rolesOf(folder)).map((role) => runningRole(role.folder)))
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  return {
    version: manifest.version,
    detached: runs.flatMap((run) => (run ? [run.pid] : [])),
    put: async (variant, content) => {
      const stored = await putRecord(
        node.ports,
        inMemory('bench', TYPE, plain(content)),
        profileNamed(variant),
      )
      return stored.objectId
    },
    get: (_, token, sink) => readAll(node, token as ObjectId, sink),
    putRecords: async (variant, records) => {
      const sources = records.map((record, at) =>
        inMemory(`record-${String(at).padStart(6, '0')}`, TYPE, plain(record)),
      )
      return (await putBundle(node.ports, 'bench', sources, profileNamed(variant))).objectId
    },
    getRecords: (_, token, sink) => unpack(node, token as ObjectId, sink),
    stop: async () => {
      await node.close()
      await stopNetwork(folder)
    },
  }
}

/** The same bytes as no Buffer: a slice of a Buffer is no copy, and the coder thread takes what it is given for its own. */
function plain(bytes: Buffer): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}

async function readAll(node: LightNode, id: ObjectId, sink: Sink): Promise<void> {
  const { content } = await openRecord(node.ports, id, node.custodyKeyOf)
  for await (const piece of content) sink.push(piece)
}

async function unpack(node: LightNode, id: ObjectId, sink: Sink): Promise<void> {
  const { content, sealed } = await openRecord(node.ports, id, node.custodyKeyOf)
  const bundle = new Uint8Array(sealed.length)
  let at = 0
  for await (const piece of content) {
    bundle.set(piece, at)
    at += piece.length
  }
  for (const entry of readBundleIndex(bundle)) sink.push(bundleRecord(bundle, entry))
}

serve(start)
