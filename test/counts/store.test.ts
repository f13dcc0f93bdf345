import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { XcareError } from '../../src/errors.ts'
import type { VolumeStore } from '../../src/storage-node/disk/store.ts'
import { FragmentStore } from '../../src/storage-node/fragment-store.ts'
import { AUDIENCE, type MadeObject, makeObject, openPutOf } from '../storage-node/made-object.ts'
import { openStoreOn } from '../storage-node/store-model.ts'
import { WornDisk } from '../storage-node/worn-disk.ts'
import { diskTally } from './disk-tallies.ts'
import { as, reset, tallyOf } from './roles.ts'
import { since } from './tally.ts'

const COLUMNS = [0, 1, 2]

/** A node's three columns of one object, `stripes` long. */
function objectOf(seed: number, stripes: number): MadeObject {
  const object = makeObject({
    seed,
    columns: COLUMNS,
    k: 12,
    n: 24,
    length: stripes * 12 * 256 - 800,
    shardBytesMax: 256,
  })
  expect(object.layout.stripes).toBeGreaterThan(stripes - 2)
  return object
}

const bytesOf = ({ fragments }: MadeObject) => fragments.flat().reduce((sum, { length }) => sum + length, 0)

/** The columns of one stripe, one after the other. */
const bodyOf = ({ fragments }: MadeObject, stripe: number) =>
  new Uint8Array(Buffer.concat(fragments.map((column) => column[stripe]!)))

const stripesOf = ({ fragments }: MadeObject) => [...fragments[0]!.keys()]

/** Counts reads of the disk; the crash disk itself notes the rest. */
class ReadCounter extends WornDisk {
  /** @returns how often `work` wrote, synced and read, what it hashed, and its transactions. */
  count(work: () => void) {
    const { log } = this.disk
    const before = { at: log.length, reads: this.reads.length }
    reset()
    as('node', work)
    const { blake3Bytes, transactions, verifications } = tallyOf('node')
    const done = log.slice(before.at).map(({ kind }) => kind)
    return {
      writes: done.filter((kind) => kind === 'write').length,
      syncs: done.filter((kind) => kind === 'sync' || kind === 'syncFolder').length,
      reads: this.reads.length - before.reads,
      ...{ blake3Bytes, transactions, verifications },
    }
  }
}

function putsOf(object: MadeObject, handle: number) {
  return stripesOf(object).map((stripe) => ({
    ...{ kind: 'put' as const, handle, stripe, first: 0, count: COLUMNS.length },
    body: bodyOf(object, stripe),
  }))
}

function committed(store: VolumeStore, ops: Parameters<VolumeStore['commit']>[0]): void {
  for (const result of store.commit(ops)) if (result instanceof XcareError) throw result
}

describe.each([4, 64])('a store that is given %i stripes of three columns', (stripes) => {
  const folder = new ReadCounter()
  const store = openStoreOn({ folder, volumeBytes: 1e8 })
  afterAll(() => store.close())
  // The first commit makes the volume.
  const first = objectOf(1, 1)
  committed(store, putsOf(first, store.openPut(openPutOf(first, COLUMNS)).handle))
  const object = objectOf(stripes + 10, stripes)
  const { handle } = store.openPut(openPutOf(object, COLUMNS))
  const key = { objectId: object.objectId, version: 1 }

  test('writes and syncs them once, in one transaction, and hashes each fragment once: a sync a fragment is what a disk is slowest at', () => {
    const puts = putsOf(object, handle)
    const { transactions, ...rest } = folder.count(() => committed(store, puts))
    const once = { writes: 1, syncs: 1, reads: 0, verifications: 0 }
    expect(rest).toEqual({ ...once, blake3Bytes: bytesOf(object) })
    expect(transactions).toBeLessThanOrEqual(1)
  })

  test('finishes all columns with one write, sync and transaction, and hashes no fragment again', () => {
    const finish = [{ kind: 'finish' as const, handle, manifest: object.manifest }]
    const { blake3Bytes, transactions, ...rest } = folder.count(() => committed(store, finish))
    expect(rest).toEqual({ writes: 1, syncs: 1, reads: 0, verifications: 1 })
    expect(transactions).toBeLessThanOrEqual(1)
    expect(blake3Bytes).toBeLessThanOrEqual(2 * object.manifest.length)
  })

  test('reads what lies side by side in one go and hashes it once; reading writes and syncs nothing', () => {
    const none = { writes: 0, syncs: 0, transactions: 0, verifications: 0 }
    const all = folder.count(() =>
      store.read((reader) => reader.fragments(key, COLUMNS, 0, object.layout.stripes)),
    )
    expect(all).toEqual({ ...none, reads: 1, blake3Bytes: bytesOf(object) })
  })

  test('reads some columns of many stripes with one read a column: parity lies between data otherwise', () => {
    const { stripes: all } = object.layout
    for (const columns of [[0], [0, 1], [0, 2]]) {
      const { reads, blake3Bytes } = folder.count(() =>
        store.read((reader) => reader.fragments(key, columns, 0, all)),
      )
      expect(reads).toBeLessThanOrEqual(columns.length)
      expect(blake3Bytes).toBe((bytesOf(object) / COLUMNS.length) * columns.length)
    }
  })

  test('gives hashes and key shares from the index: no fragment is read for them', () => {
    const untouched = { writes: 0, syncs: 0, transactions: 0, verifications: 0, reads: 0, blake3Bytes: 0 }
    expect(folder.count(() => store.read((reader) => reader.hashes(key, COLUMNS)))).toEqual(untouched)
    const { stripes: all } = object.layout
    const shares = () => store.read((reader) => reader.shares(key, COLUMNS, 0, all))
    expect(folder.count(shares)).toEqual(untouched)
  })
})

describe('a disk thread', () => {
  const path = mkdtempSync(join(tmpdir(), 'xcare-counts-'))
  afterAll(() => rmSync(path, { recursive: true, force: true }))

  async function begin(store: FragmentStore, object: MadeObject): Promise<number> {
    const { handle } = await store.call('openPut', openPutOf(object, COLUMNS), store.newHandle())
    return handle
  }

  const burst = (store: FragmentStore, object: MadeObject, handle: number) =>
    stripesOf(object).map((stripe) => store.put(handle, stripe, 0, COLUMNS.length, bodyOf(object, stripe)))

  test('makes a burst of several puts durable with one message, sync and transaction: one sync a commit, not a fragment', async () => {
    const store = await FragmentStore.open({ path, quotaBytes: 1e9, audience: AUDIENCE })
    const first = objectOf(1, 1)
    const begun = await begin(store, first)
    await Promise.all(burst(store, first, begun))
    await store.call('finish', begun, first.manifest)
    const objects = [objectOf(2, 40), objectOf(3, 40)]
    const handles = [await begin(store, objects[0]!), await begin(store, objects[1]!)]
    const before = diskTally(path)
    await Promise.all(objects.flatMap((object, at) => burst(store, object, handles[at]!)))
    const stored = since(diskTally(path), before)
    expect(stored).toMatchObject({ messages: 1, syncs: 1, writes: 1 })
    expect(stored.transactions).toBeLessThanOrEqual(1)
    expect(stored.blake3Bytes).toBe(bytesOf(objects[0]!) + bytesOf(objects[1]!))
    await Promise.all(objects.map(({ manifest }, at) => store.call('finish', handles[at]!, manifest)))
    const finished = since(diskTally(path), before)
    expect(finished).toMatchObject({ messages: 2, syncs: 2, writes: 2 })
    expect(finished.transactions).toBeLessThanOrEqual(2)
    await store.close()
  })

  test('gives the memory of what it stored back, to be filled again: else every byte received is memory for the collector', async () => {
    const store = await FragmentStore.open({ path, quotaBytes: 1e9, audience: AUDIENCE })
    const large = { k: 12, n: 24, length: 4 * 12 * 4096 - 800, shardBytesMax: 4096 }
    const objects = [objectOf(7, 4), makeObject({ seed: 8, columns: COLUMNS, ...large })]
    for (const [at, object] of objects.entries()) {
      const isMoved = at === 1
      const handle = await begin(store, object)
      const bodies = stripesOf(object).map((stripe) => bodyOf(object, stripe))
      for (const [stripe, body] of bodies.entries()) {
        const { length } = body
        const memory = await store.put(handle, stripe, 0, COLUMNS.length, body)
        expect(body.length).toBe(isMoved ? 0 : length)
        expect(memory?.byteLength ?? 0).toBe(isMoved ? length : 0)
      }
    }
    await store.close()
  })
})
