import { expect, test, vi } from 'vitest'
import { XcareError } from '../../src/errors.ts'
import { DISK_RETRY_MS, PUT_ABANDONED_MS } from '../../src/limits.ts'
import type { VolumeStore } from '../../src/storage-node/disk/store.ts'
import { CrashDisk } from './crash-disk.ts'
import {
  deleteObject,
  expectKept,
  openStoreOn,
  type Promised,
  promiseOf,
  putAll,
  putSome,
  stripesOf,
  TestClock,
} from './store-model.ts'
import { smallObject } from './writer-objects.ts'

vi.setConfig({ testTimeout: 60_000 })

const OBJECTS = Array.from({ length: 6 }, (_, seed) => smallObject(seed + 1, 1, 400))

/** @returns whether `step` failed; only errors of the disk itself and XcareErrors may come out. */
function failed(step: () => void): boolean {
  try {
    step()
    return false
  } catch (error) {
    expect(error instanceof XcareError || (error instanceof Error && 'code' in error)).toBe(true)
    return true
  }
}

/** One day in the life of a store; whatever step fails, the next one is tried. */
function day(store: VolumeStore, clock: TestClock): Promised[] {
  const promises = OBJECTS.map(promiseOf)
  const [a, b, c, d, e, f] = promises as [Promised, Promised, Promised, Promised, Promised, Promised]
  failed(() => putSome(store, a, stripesOf(a.object), true))
  failed(() => putSome(store, b, stripesOf(b.object).slice(0, 5), false))
  failed(() => putSome(store, c, stripesOf(c.object), true))
  failed(() => deleteObject(store, a))
  failed(() => putSome(store, d, stripesOf(d.object), true))
  clock.ms += PUT_ABANDONED_MS + 1
  if (!failed(() => store.expire())) b.acked.clear()
  failed(() => {
    while (store.compact());
  })
  failed(() => putSome(store, e, stripesOf(e.object), true))
  failed(() => putSome(store, f, stripesOf(f.object).slice(2), false))
  // What an expiry that failed half way took along was not promised any more.
  b.acked.clear()
  return promises
}

/** Opens a store; when that fails, once more. */
function openedInTwo(disk: CrashDisk, clock: TestClock): VolumeStore {
  try {
    return openStoreOn({ folder: disk, clock })
  } catch {
    return openStoreOn({ folder: disk, clock })
  }
}

const calls = (() => {
  const disk = new CrashDisk()
  const clock = new TestClock()
  day(openStoreOn({ folder: disk, clock }), clock)
  return disk.calls
})()

test.each(['EIO', 'ENOSPC', 'EMFILE'])(
  `%s at each of ${calls} disk calls loses nothing that was acknowledged`,
  (code) => {
    let refused = 0
    for (let at = 0; at < calls; at++) {
      const disk = new CrashDisk(new Map(), { failCall: { at, code } })
      const clock = new TestClock()
      const store = openedInTwo(disk, clock)
      const promises = day(store, clock)
      clock.ms += DISK_RETRY_MS
      expectKept(store, promises)
      if (
        promises.some(
          ({ finished, deleted, object }) =>
            !finished && !deleted && object !== OBJECTS[1] && object !== OBJECTS[5],
        )
      )
        refused++
      // One failure never ends the writing.
      expectKept(store, [putAll(store, smallObject(50))])
      store.close()
      const again = openStoreOn({ folder: new CrashDisk(disk.image()), clock })
      expectKept(again, promises)
      again.close()
    }
    expect(refused).toBeGreaterThan(3)
  },
)
