import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fromHex } from '../../src/bytes.ts'
import { PROFILES } from '../../src/fragment/profile.ts'
import { PUT_ABANDONED_MS } from '../../src/limits.ts'
import { AnchoredSweep } from '../../src/storage-node/anchored-sweep.ts'
import type { DiskCall } from '../../src/storage-node/disk/calls.ts'
import { VolumeStore } from '../../src/storage-node/disk/store.ts'
import { openVolumeFolder } from '../../src/storage-node/disk/volume/files.ts'
import { seededBytes } from '../storage-node/made-object.ts'
import { NETWORK } from './memory-chain.ts'
import { MemoryNetwork } from './memory-network.ts'

let net: MemoryNetwork
beforeAll(async () => {
  net = await MemoryNetwork.start({ nodes: 12 })
})
afterAll(() => net.stop())

test('what a put has anchored, every node finds anchored hours later', async () => {
  await net.put(seededBytes(1, 100_000), PROFILES.grid)
  const nowMs = Date.now() + 2 * PUT_ABANDONED_MS
  for (const node of net.nodes) {
    await node.store.close()
    const { storeId } = JSON.parse(readFileSync(join(node.path, 'store.json'), 'utf8')) as { storeId: string }
    const store = new VolumeStore({
      ...{
        folder: openVolumeFolder(join(node.path, 'volumes')),
        index: { path: join(node.path, 'index.db') },
      },
      ...{ storeId: fromHex(storeId), quotaBytes: 1e9, clock: { nowMs: () => nowMs } },
      audience: { network: NETWORK, nodeId: node.nodeId },
    })
    const call = async (name: DiskCall, ...args: unknown[]) =>
      name === 'patience'
        ? { patienceMs: store.patienceMs() }
        : (store[name as 'held'] as (...all: unknown[]) => unknown).apply(store, args)
    const ledger = {
      read: async (key: Uint8Array) => ({ ...(await net.chain.read(key)), timeMs: nowMs }),
    }
    const ports = { store: { call } as never, ledger, clock: { nowMs: () => nowMs }, nodeId: node.nodeId }
    expect(store.health().unanchored).toBe(1)
    expect(await new AnchoredSweep(ports).step()).toEqual({ dropped: 0, isBehind: false })
    expect(store.health()).toMatchObject({ unanchored: 0, damaged: 0, lostVolumes: 0 })
    store.close()
    await node.restart()
  }
})
