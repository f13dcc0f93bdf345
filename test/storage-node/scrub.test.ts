import Database from 'better-sqlite3'
import { describe, expect, test } from 'vitest'
import { SCRUB_PASS_MS, SCRUB_RATE_BYTES_MIN, SCRUB_REST_MS } from '../../src/limits.ts'
import type { XcareEvent } from '../../src/ports.ts'
import type { VolumeStore } from '../../src/storage-node/disk/store.ts'
import { pauseAfter, scrubDisk } from '../../src/storage-node/scrub-disk.ts'
import { CrashDisk } from './crash-disk.ts'
import { makeObject, openPutOf } from './made-object.ts'
import { deleteObject, openStoreOn, type Promised, putAll, readBack, TestClock } from './store-model.ts'
import { smallObject } from './writer-objects.ts'

/** Flips a bit of a fragment, or of the record header before it, where it lies. */
function rot(disk: CrashDisk, store: VolumeStore, { object }: Promised, stripe: number, from = 500): void {
  const { id } = store.index.column({ ...object, column: 0 }, null)!
  const { volume, at } = store.index.place(id, stripe)!
  disk.flip(`${String(volume).padStart(8, '0')}.vol`, at + from, 1)
}

function pass(store: VolumeStore): number {
  let bytes = 0
  for (let more = 1; more > 0; bytes += more) more = store.scrub()
  return bytes
}

describe('a node that reads its own disk', () => {
  const setUp = () => {
    const clock = new TestClock()
    const disk = new CrashDisk()
    const store = openStoreOn({ folder: disk, clock, volumeBytes: 1e6 })
    const promises = [1, 2, 3].map((seed) => putAll(store, smallObject(seed, 1, 5000)))
    return { clock, disk, store, promises }
  }

  test('reads nothing that is fresh, and everything that is not, once', () => {
    const { clock, store } = setUp()
    expect(store.scrub()).toBe(0)
    clock.ms += SCRUB_REST_MS + 1
    expect(store.health().unreadSinceMs).toBe(clock.ms - SCRUB_REST_MS - 1)
    expect(pass(store)).toBeGreaterThan(store.status().liveBytes * 0.8)
    expect(store.health().unreadSinceMs).toBe(clock.ms)
    expect(store.scrub()).toBe(0)
    clock.ms += SCRUB_REST_MS + 1
    expect(pass(store)).toBeGreaterThan(0)
  })

  test('finds rot in fragments, in their record headers and in manifests; bookkeeping and reads tell the truth from then on', () => {
    const { clock, disk, store, promises } = setUp()
    const [first, second, third] = promises as [Promised, Promised, Promised]
    rot(disk, store, first, 3)
    rot(disk, store, second, 5, 30)
    const { volume, at } = store.index.manifest(third.object.objectId, 1)!
    disk.flip(`${String(volume).padStart(8, '0')}.vol`, at + 200, 1)
    const open = store.openPut(openPutOf(first.object))
    clock.ms += SCRUB_REST_MS + 1
    pass(store)
    expect(store.takeDamaged()).toMatchObject([
      { objectId: first.object.objectId, column: 0, stripe: 3 },
      { objectId: second.object.objectId, column: 0, stripe: 5 },
    ])
    expect(store.status().damaged).toBe(2)
    expect(store.have(open.handle).bitmaps[0]! & 8).toBe(0)
    expect(readBack(store, second.object)![5]).toBeNull()
    expect(store.index.manifest(third.object.objectId, 1)).toBeNull()
    store.closePut(open.handle)
    for (const promise of promises) putAll(store, promise.object)
    expect(store.status().damaged).toBe(0)
    for (const { object } of promises) expect(readBack(store, object)).toEqual(object.fragments[0])
    deleteObject(store, first)
    expect(store.status().damaged).toBe(0)
  })

  test('goes on after a restart, and counts damage still', () => {
    const { clock, disk, store, promises } = setUp()
    rot(disk, store, promises[0]!, 0)
    clock.ms += SCRUB_REST_MS + 1
    for (let step = 0; store.health().damaged === 0 || step < 2; step++) store.scrub()
    const index = store.index.serialize()
    store.close()
    const again = openStoreOn({ folder: new CrashDisk(disk.image()), clock, index, volumeBytes: 1e6 })
    expect(again.health()).toMatchObject({ damaged: 1, unreadSinceMs: clock.ms - SCRUB_REST_MS - 1 })
    pass(again)
    expect(again.health()).toMatchObject({ damaged: 1, unreadSinceMs: clock.ms })
    again.close()
    const rebuilt = openStoreOn({ folder: new CrashDisk(disk.image()), clock, volumeBytes: 1e6 })
    expect(rebuilt.health().damaged).toBe(1)
    rebuilt.close()
  })

  test('tells when its volumes are gone behind its back', () => {
    const { disk, store } = setUp()
    expect(store.health().lostVolumes).toBe(0)
    disk.remove(disk.list()[0]!)
    expect(store.health().lostVolumes).toBe(1)
  })

  test('an index of the format before is taken over with what it knew', () => {
    const { clock, disk, store, promises } = setUp()
    rot(disk, store, promises[1]!, 2)
    readBack(store, promises[1]!.object)
    const db = new Database(Buffer.from(store.index.serialize()))
    db.exec(`DROP INDEX stored_column_unproven; ALTER TABLE stored_column DROP COLUMN proven;
      ALTER TABLE stored_column DROP COLUMN read; ALTER TABLE volume DROP COLUMN bad;
      UPDATE meta SET value = 1 WHERE name = 'format'`)
    const index = db.serialize()
    const { fragments, liveBytes } = store.status()
    const again = openStoreOn({ folder: new CrashDisk(disk.image()), clock, index, volumeBytes: 1e6 })
    expect(again.recovery.rebuilt).toBe(false)
    expect(again.health()).toMatchObject({
      fragments,
      liveBytes,
      damaged: 1,
      unanchored: 3,
      unreadSinceMs: clock.ms,
    })
    clock.ms += SCRUB_REST_MS + 1
    expect(pass(again)).toBeGreaterThan(0)
  })
})

describe('the scrub of a running node', () => {
  /** A store whose steps the test counts, and a clock that only notes how long it was to wait. */
  const run = async (store: { isIdle: boolean; steps: (number | Error)[] }) => {
    const ended = new AbortController()
    const waited: number[] = []
    const events: XcareEvent[] = []
    let busy = 3
    const clock = {
      sleep: async (durationMs: number) => {
        waited.push(durationMs)
        if (--busy === 0) store.isIdle = true
        if (waited.length > 8) ended.abort()
      },
    }
    const call = async (name: string) => {
      if (name === 'status') return { liveBytes: 1000 }
      if (name === 'takeDamaged') return [{ id: 1, version: 1, column: 2, stripe: 3 }]
      const step = store.steps.shift() ?? 0
      if (step instanceof Error) throw step
      return step
    }
    const parts = {
      call: call as Parameters<typeof scrubDisk>[0]['call'],
      get isIdle() {
        return store.isIdle
      },
    }
    await scrubDisk(parts, clock, ended.signal, (event) => events.push(event))
    return { waited, events }
  }

  test('waits while somebody is served, then takes a step, tells of rot, and rests', async () => {
    const { waited, events } = await run({ isIdle: false, steps: [1_048_576, new Error('broken')] })
    expect(waited.slice(0, 5)).toEqual([250, 250, 250, pauseAfter(1_048_576, 1000), 60_000])
    expect(events).toEqual([
      { type: 'damaged', version: 1, column: 2, stripe: 3 },
      { type: 'failed', what: 'scrub', code: 'INTERNAL' },
    ])
  })

  test('takes two weeks for a large disk, and at least its rate for a small one', () => {
    expect(pauseAfter(1e6, 1e9)).toBe((1e6 / SCRUB_RATE_BYTES_MIN) * 1000)
    const large = 4e12
    expect((large / 1e6) * pauseAfter(1e6, large)).toBeCloseTo(SCRUB_PASS_MS)
  })
})

test('one order a stripe more than a step takes is read in several', () => {
  const store = openStoreOn({ folder: new CrashDisk(), volumeBytes: 1e7 })
  const object = makeObject({ seed: 4, length: 80_000, shardBytesMax: 64 })
  expect(object.layout.stripes).toBeGreaterThan(256)
  putAll(store, object)
  const { handle } = store.openPut(openPutOf(object))
  const { next, bytes } = store.verify(handle, 0, 0, object.layout.stripes)
  expect(next).toBe(256)
  expect(bytes).toBeGreaterThan(256 * 1088)
  expect(store.verify(handle, 0, next, object.layout.stripes).next).toBe(object.layout.stripes)
})
