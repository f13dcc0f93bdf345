import { describe, expect, test, vi } from 'vitest'
import { VOLUME_BYTES } from '../../src/limits.ts'
import { CrashDisk } from './crash-disk.ts'
import { makeObject, seededBytes } from './made-object.ts'
import { deleteObject, expectKept, openStoreOn, type Promised, putAll, readBack } from './store-model.ts'
import { smallObject } from './writer-objects.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

describe('compaction', () => {
  const setUp = (faults = {}) => {
    const disk = new CrashDisk(new Map(), faults)
    const store = openStoreOn({ folder: disk })
    const promises = Array.from({ length: 12 }, (_, seed) => putAll(store, smallObject(seed + 1)))
    for (const [at, promise] of promises.entries()) if (at % 4 !== 1) deleteObject(store, promise)
    return { disk, store, promises }
  }

  test('gives the space of deleted objects back and keeps the others, the deletions and the manifests', () => {
    const { disk, store, promises } = setUp()
    const before = store.status().usedBytes
    while (store.compact());
    expect(store.status().usedBytes).toBeLessThan(before - 100_000)
    expectKept(store, promises)
    const { fragments, liveBytes } = store.status()
    store.close()
    for (const index of [null, seededBytes(1, 5000)]) {
      const again = openStoreOn({ folder: new CrashDisk(disk.image()), index })
      expect(again.status()).toMatchObject({ fragments, liveBytes })
      expectKept(again, promises)
      again.close()
    }
  })

  test('done again and again, with columns and fragments moved apart, a rebuild still finds every column complete', () => {
    const { disk, store, promises } = setUp()
    for (let round = 0; round < 4; round++) {
      while (store.compact());
      for (const promise of promises.filter(({ deleted }) => !deleted).slice(0, 1))
        deleteObject(store, promise)
      for (let seed = 100 * round + 100; seed < 100 * round + 104; seed++)
        promises.push(putAll(store, smallObject(seed)))
      const again = openStoreOn({ folder: new CrashDisk(disk.image()) })
      expectKept(again, promises)
      again.close()
    }
    store.close()
  })

  test('a power failure at any moment of it loses nothing', () => {
    const { disk, store, promises } = setUp()
    const from = disk.log.length
    const before = store.index.serialize()
    while (store.compact());
    const after = store.index.serialize()
    expect(disk.log.length - from).toBeGreaterThan(10)
    for (let end = from; end <= disk.log.length; end++)
      for (let variant = 0; variant < 3; variant++) {
        const numbers = new Uint32Array(seededBytes(end * 3 + variant, 4096).buffer)
        let next = 0
        const image = disk.crash(end, (options) => numbers[next++ % numbers.length]! % options)
        const index = [null, before, end === disk.log.length ? after : before][variant]!
        const again = openStoreOn({ folder: new CrashDisk(image), index })
        expectKept(again, promises)
        again.close()
      }
    store.close()
  })

  test('what is deleted in the newest volume comes back too, on a disk so small that it was full, also after a restart', () => {
    const disk = new CrashDisk()
    const setting = { quotaBytes: 24 * 2 ** 20, volumeBytes: VOLUME_BYTES }
    let store = openStoreOn({ folder: disk, ...setting })
    const emptied = () => {
      while (store.compact());
      return store.status().usedBytes
    }
    const empty = emptied()
    for (let round = 0; round < 2; round++) {
      const promises: Promised[] = []
      for (let seed = 1000 * round; store.status().usedBytes < 20 * 2 ** 20; seed++)
        promises.push(putAll(store, makeObject({ seed, length: 6e6, shardBytesMax: 65_536 })))
      const kept = promises.pop()!
      for (const promise of promises) deleteObject(store, promise)
      expect(disk.list()).toHaveLength(1)
      if (round === 1) {
        store.close()
        store = openStoreOn({ folder: disk, index: new Uint8Array(1), ...setting })
      }
      expect(emptied() - empty).toBeLessThan(6 * 2 ** 20)
      expectKept(store, [...promises, kept])
      deleteObject(store, kept)
      emptied()
    }
    store.close()
  })

  test('damaged fragments stay where they are until they are healed', () => {
    const { disk, store, promises } = setUp()
    const kept = promises[1]!
    const { id } = store.index.column({ ...kept.object, column: 0 }, null)!
    const { volume, at } = store.index.place(id, 3)!
    disk.flip(`0000000${volume}.vol`, at + 700, 1)
    while (store.compact());
    expect(
      readBack(store, kept.object)!
        .map((fragment) => fragment !== null)
        .indexOf(false),
    ).toBe(3)
    const healed = putAll(store, kept.object)
    expectKept(store, [...promises, healed])
    store.close()
  })
})
