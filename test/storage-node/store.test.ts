import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { equalBytes } from '../../src/bytes.ts'
import { blake3 } from '../../src/crypto/hash.ts'
import { XcareError } from '../../src/errors.ts'
import { DISK_RETRY_MS, PUT_ABANDONED_MS } from '../../src/limits.ts'
import { reserveBytes } from '../../src/storage-node/disk/puts/space.ts'
import { CrashDisk } from './crash-disk.ts'
import { deleteOf, makeObject, openPutOf, seededBytes } from './made-object.ts'
import {
  brokenPromise,
  codeOf,
  deleteObject,
  expectKept,
  openStoreOn,
  type Promised,
  promiseOf,
  putAll,
  putSome,
  readBack,
  stripesOf,
  TestClock,
} from './store-model.ts'
import { smallObject } from './writer-objects.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

describe('against a model', () => {
  const OBJECTS = Array.from({ length: 5 }, (_, seed) => smallObject(seed + 1, 1, 500))
  const action = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('put' as const),
        which: fc.nat(4),
        from: fc.nat(16),
        count: fc.integer({ min: 1, max: 17 }),
        finish: fc.boolean(),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), which: fc.nat(4) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('reopen' as const),
        index: fc.constantFrom('same', 'older', 'lost', 'garbage'),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('expire' as const), hours: fc.nat(2) }) },
  )

  test('any sequence of puts, deletions, expiry and restarts with a lost or old index keeps every promise', {
    timeout: 60_000,
  }, () => {
    fc.assert(
      fc.property(fc.array(action, { minLength: 3, maxLength: 14 }), (actions) => {
        const clock = new TestClock()
        let folder = new CrashDisk()
        let store = openStoreOn({ folder, clock })
        let older = store.index.serialize()
        const promises = OBJECTS.map(promiseOf)
        for (const step of actions) {
          if (step.kind === 'put') {
            const promise = promises[step.which]!
            if (promise.deleted) continue
            const all = stripesOf(promise.object)
            const finish =
              step.finish &&
              all.every(
                (stripe) =>
                  promise.acked.has(stripe) || (stripe >= step.from && stripe < step.from + step.count),
              )
            putSome(store, promise, all.slice(step.from, step.from + step.count), finish)
          } else if (step.kind === 'delete') deleteObject(store, promises[step.which]!)
          else if (step.kind === 'expire') {
            clock.ms += step.hours * PUT_ABANDONED_MS + 1
            store.expire()
            while (store.compact());
            if (step.hours > 0) for (const promise of promises) if (!promise.finished) promise.acked.clear()
          } else {
            const same = store.index.serialize()
            store.close()
            folder = new CrashDisk(folder.image())
            const index = { same, older, lost: null, garbage: seededBytes(3, 9000) }[step.index]
            store = openStoreOn({ folder, clock, index })
            // A rebuilt index is durable before anything relies on it: older ones never come back. What was lost with a crash does not come back either.
            older = store.recovery.rebuilt ? store.index.serialize() : index!
          }
          for (const promise of promises) expect(brokenPromise(store, promise)).toBe(null)
        }
        store.close()
      }),
      { numRuns: Number(process.env.XCARE_MODEL_RUNS ?? 40) },
    )
  })
})

describe('bit rot', () => {
  test('no flipped byte of a volume is ever served, and damaged fragments are reported and can be healed', () => {
    const disk = new CrashDisk()
    const store = openStoreOn({ folder: disk, volumeBytes: 1e6 })
    const object = smallObject(1, 1, 9000)
    putAll(store, object)
    const name = disk.list()[0]!
    const size = disk.image().get(name)!.length
    const places = new Uint32Array(seededBytes(8, 4 * 300).buffer)
    for (const far of places.slice(0, 300)) {
      const at = 4096 + (far % (size - 4096))
      disk.flip(name, at, 1 << (far % 8))
      const found = readBack(store, object)!
      for (const [stripe, fragment] of found.entries())
        if (fragment) expect(equalBytes(fragment, object.fragments[0]![stripe]!)).toBe(true)
    }
    const damaged = store.takeDamaged()
    expect(damaged.length).toBeGreaterThan(20)
    expect(store.status().damaged).toBe(damaged.length)
    expect(damaged[0]).toMatchObject({ objectId: object.objectId, version: 1, column: 0 })
    const lost = damaged.map(({ stripe }) => stripe)
    const { handle, bitmaps: bitmap } = store.openPut(openPutOf(object))
    for (const stripe of lost) expect((bitmap[stripe >> 3]! >> (stripe & 7)) & 1).toBe(0)
    const wrong = makeObject({ seed: 1, length: 9000, shardBytesMax: 64, content: 5 })
    const [refused] = store.commit([
      { kind: 'put', handle, stripe: lost[0]!, first: 0, count: 1, body: wrong.fragments[0]![lost[0]!]! },
    ])
    expect(refused).toMatchObject({ code: 'REFUSED' })
    store.commit(
      lost.map((stripe) => ({
        kind: 'put',
        handle,
        stripe,
        first: 0,
        count: 1,
        body: object.fragments[0]![stripe]!,
      })),
    )
    expect(readBack(store, object)).toEqual(object.fragments[0])
    store.close()
  })

  test('a rebuild over damaged volumes keeps what is sound and resurrects nothing', () => {
    for (let round = 0; round < 20; round++) {
      const disk = new CrashDisk()
      const store = openStoreOn({ folder: disk })
      const [kept, gone] = [smallObject(1), smallObject(2)]
      putAll(store, kept)
      deleteObject(store, putAll(store, gone))
      store.close()
      const image = disk.image()
      const names = [...image.keys()]
      const choose = new Uint32Array(seededBytes(round + 50, 40).buffer)
      const damaged = new CrashDisk(image)
      for (let flip = 0; flip < 2; flip++) {
        const name = names[choose[flip]! % names.length]!
        damaged.flip(name, choose[flip + 2]! % image.get(name)!.length, 1 << (choose[flip + 4]! % 8))
      }
      const again = openStoreOn({ folder: damaged })
      const found = readBack(again, kept)
      for (const [stripe, fragment] of (found ?? []).entries())
        if (fragment) expect(equalBytes(fragment, kept.fragments[0]![stripe]!)).toBe(true)
      if (found) expect(found.filter((fragment) => fragment === null).length).toBeLessThanOrEqual(2)
      again.close()
    }
  })

  test('a damaged manifest is not served and can be put again', () => {
    const disk = new CrashDisk()
    const store = openStoreOn({ folder: disk })
    const object = smallObject(1)
    putAll(store, object)
    const { at } = store.index.manifest(object.objectId, null)!
    disk.flip(disk.list()[0]!, at + 200, 4)
    expect(codeOf(() => store.read((reader) => reader.manifest(object.objectId)))).toBe('INTEGRITY')
    const { handle, objectKnown } = store.openPut(openPutOf(object))
    expect(objectKnown).toBe(false)
    store.commit([{ kind: 'finish', handle, manifest: object.manifest }])
    expect(store.read((reader) => reader.manifest(object.objectId))).toEqual(object.manifest)
    store.close()
    const again = openStoreOn({ folder: new CrashDisk(disk.image()) })
    expect(again.read((reader) => reader.manifest(object.objectId))).toEqual(object.manifest)
    again.close()
  })
})

describe('index', () => {
  const withFiles = (work: (path: string) => void) => {
    const folder = mkdtempSync(join(tmpdir(), 'xcare-index-'))
    try {
      work(join(folder, 'index.db'))
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }

  test('deleted, cut or overwritten, it is made again with the same live set', () => {
    withFiles((path) => {
      const disk = new CrashDisk()
      let store = openStoreOn({ folder: disk, path })
      const promises = [1, 2, 3].map((seed) => putAll(store, smallObject(seed)))
      deleteObject(store, promises[2]!)
      const { fragments, liveBytes } = store.status()
      store.close()
      const damage = [
        () => rmSync(path),
        () => writeFileSync(path, seededBytes(1, 20_000)),
        () => writeFileSync(path, ''),
      ]
      for (const harm of damage) {
        harm()
        store = openStoreOn({ folder: disk, path })
        expect(store.recovery.rebuilt).toBe(true)
        expect(store.status()).toMatchObject({ fragments, liveBytes })
        expectKept(store, promises)
        store.close()
      }
      store = openStoreOn({ folder: disk, path })
      expect(store.recovery).toEqual({ rebuilt: false, tornBytes: 0 })
      expectKept(store, promises)
      store.close()
    })
  })

  test('a row that rots while the node runs is noticed, and the index is made again at once', () => {
    const disk = new CrashDisk()
    const store = openStoreOn({ folder: disk })
    const promise = putAll(store, smallObject(1))
    const image = Buffer.from(store.index.serialize())
    store.close()
    const row = image.indexOf(blake3(promise.object.fragments[0]![2]!))
    expect(row).toBeGreaterThan(0)
    image[row + 40]! ^= 1
    const again = openStoreOn({ folder: disk, index: image })
    expect(again.recovery.rebuilt).toBe(false)
    expectKept(again, [promise])
    expect(again.recovery.rebuilt).toBe(true)
    again.close()
  })
})

describe('space', () => {
  test('the quota holds to the byte, and what was stored stays readable', () => {
    const quotaBytes = 6e6
    const disk = new CrashDisk()
    const store = openStoreOn({ folder: disk, quotaBytes, volumeBytes: 1e6 })
    const promises: Promised[] = []
    let refused: string | null = null
    for (let seed = 1; refused === null && seed < 200; seed++) {
      const promise = promiseOf(makeObject({ seed, length: 100_000, shardBytesMax: 4096 }))
      refused = codeOf(() => putSome(store, promise, stripesOf(promise.object), true))
      if (promise.finished) promises.push(promise)
    }
    expect(refused).toBe('QUOTA_FULL')
    expect(promises.length).toBeGreaterThan(10)
    expect(store.status().usedBytes).toBeLessThanOrEqual(quotaBytes - reserveBytes(quotaBytes))
    expect(store.status().readOnly).toBe(false)
    expectKept(store, promises)
    // Deleting needs a few bytes more, and gives them back.
    for (const promise of promises) deleteObject(store, promise)
    store.expire()
    const promise = promiseOf(makeObject({ seed: 999, length: 100_000, shardBytesMax: 4096 }))
    putSome(store, promise, stripesOf(promise.object), true)
    expectKept(store, [...promises, promise])
    store.close()
  })

  test('a full disk refuses, keeps everything, serves on, and writes again by itself when space returns', () => {
    const clock = new TestClock()
    const disk = new CrashDisk(new Map(), { capacityBytes: 500_000, shortWriteBytes: 3000 })
    const store = openStoreOn({ folder: disk, clock, quotaBytes: 1e6 * 16 })
    const promises: Promised[] = []
    disk.freeBytes = () => 1e9
    let refused: string | null = null
    for (let seed = 1; refused === null; seed++) {
      const promise = promiseOf(smallObject(seed, 1, 4000))
      promises.push(promise)
      const { handle } = store.openPut(openPutOf(promise.object))
      const ops = stripesOf(promise.object).map((stripe) => ({
        kind: 'put' as const,
        handle,
        stripe,
        first: 0,
        count: 1,
        body: promise.object.fragments[0]![stripe]!,
      }))
      const results = [
        ...store.commit(ops),
        ...store.commit([{ kind: 'finish', handle, manifest: promise.object.manifest }]),
      ]
      results
        .slice(0, -1)
        .forEach((result, stripe) => void (result instanceof XcareError || promise.acked.add(stripe)))
      promise.finished = !(results.at(-1) instanceof XcareError)
      refused = results.find((result) => result instanceof XcareError)?.code ?? null
      store.closePut(handle)
    }
    expect(refused).toBe('NO_SPACE')
    expect(promises.length).toBeGreaterThan(5)
    expect(store.status().readOnly).toBe(true)
    const last = promises.pop()!
    for (const { object } of promises) expect(readBack(store, object)).toEqual(object.fragments[0])
    expect(codeOf(() => store.openPut(openPutOf(last.object)))).toBe('NO_SPACE')
    disk.faults.capacityBytes = 1e9
    clock.ms += DISK_RETRY_MS
    expect(store.status().readOnly).toBe(false)
    expectKept(store, [...promises, putAll(store, last.object)])
    store.close()
    expectKept(openStoreOn({ folder: new CrashDisk(disk.image()) }), promises)
  })

  test('a disk below the reserve is read-only before a byte fails', () => {
    const disk = new CrashDisk(new Map(), { capacityBytes: 1000 })
    const store = openStoreOn({ folder: disk, quotaBytes: 1e9 })
    expect(codeOf(() => store.openPut(openPutOf(smallObject(1))))).toBe('NO_SPACE')
    expect(store.status().readOnly).toBe(true)
    store.close()
  })
})

test('a sync that fails seals its volume; the next commit goes to a new one; a second failure makes the node read-only', () => {
  const disk = new CrashDisk(new Map(), { failSyncAt: 2 })
  const store = openStoreOn({ folder: disk, volumeBytes: 1e6 })
  const first = putAll(store, smallObject(1))
  const second = promiseOf(smallObject(2))
  putSome(store, second, stripesOf(second.object), true)
  expect(second).toMatchObject({ finished: false, acked: new Set() })
  expectKept(store, [first, putAll(store, second.object)])
  expect(disk.list()).toHaveLength(2)
  Object.assign(disk.faults, { failSyncAt: 5 })
  putSome(store, promiseOf(smallObject(3)), [0], false)
  expect(codeOf(() => store.openPut(openPutOf(smallObject(4))))).toBe('NO_SPACE')
  expectKept(store, [first])
  store.close()
})

test('abandoned puts are forgotten after an hour, resumed ones are not, and empty volumes are freed', () => {
  const clock = new TestClock()
  const disk = new CrashDisk()
  const store = openStoreOn({ folder: disk, clock })
  const [left, resumed] = [promiseOf(smallObject(1)), promiseOf(smallObject(2))]
  putSome(store, left, [0, 1, 2], false)
  putSome(store, resumed, [0, 1, 2], false)
  clock.ms += PUT_ABANDONED_MS - 10
  putSome(store, resumed, [3], false)
  const { handle } = store.openPut(openPutOf(resumed.object))
  clock.ms += 100
  expect(store.expire()).toBe(1)
  expect([...store.openPut(openPutOf(left.object)).bitmaps]).toEqual([0, 0, 0])
  expectKept(store, [resumed])
  store.closePut(handle)
  for (let seed = 10; seed < 14; seed++)
    putSome(store, promiseOf(smallObject(seed)), stripesOf(smallObject(seed)), false)
  const before = disk.list().length
  clock.ms += PUT_ABANDONED_MS + 1
  store.expire()
  expect(disk.list().length).toBeLessThan(before)
  expect(store.status()).toMatchObject({ fragments: 0, liveBytes: 0 })
  store.close()
})

test('a deletion of what is not here leaves no trace; one of an open put ends it', () => {
  const disk = new CrashDisk()
  const store = openStoreOn({ folder: disk })
  const object = smallObject(1)
  const order = { kind: 'delete' as const, order: deleteOf(object) }
  expect(store.commit([order])).toEqual([{}])
  expect(disk.image().size === 0 || [...disk.image().values()].every(({ length }) => length === 4096)).toBe(
    true,
  )
  const { handle } = store.openPut(openPutOf(object))
  const body = object.fragments[0]![0]!
  store.commit([{ kind: 'put', handle, stripe: 0, first: 0, count: 1, body }])
  expect(store.commit([order, { kind: 'put', handle, stripe: 1, first: 0, count: 1, body }])).toMatchObject([
    {},
    { code: 'REFUSED' },
  ])
  expect(codeOf(() => store.openPut(openPutOf(object)))).toBe('REFUSED')
  store.close()
})

test('volumes of another store are refused, not overwritten', () => {
  const disk = new CrashDisk()
  const store = openStoreOn({ folder: disk })
  putAll(store, smallObject(1))
  store.close()
  const before = disk.image()
  expect(codeOf(() => openStoreOn({ folder: disk, storeId: new Uint8Array(16).fill(1) }))).toBe('INTEGRITY')
  expect(disk.image()).toEqual(before)
})
