import { describe, expect, test } from 'vitest'
import type { VolumeStore } from '../../src/storage-node/disk/store.ts'
import { CrashDisk, type DiskFaults } from './crash-disk.ts'
import { seededBytes } from './made-object.ts'
import {
  brokenPromise,
  copyOf,
  deleteObject,
  openStoreOn,
  type Promised,
  putSome,
  TestClock,
} from './store-model.ts'
import { smallObject } from './writer-objects.ts'

const STATES = Number(process.env.XCARE_CRASH_STATES ?? 1000)

/** What was promised once the disk log had `at` entries, and the index as it was then. */
interface Moment {
  at: number
  promises: Promised[]
  index: Uint8Array
}

function chooser(seed: number): (options: number) => number {
  const numbers = new Uint32Array(seededBytes(seed, 4096).slice().buffer)
  let next = 0
  return (options) => numbers[next++ % numbers.length]! % options
}

/** Runs a store through puts, finished and not, deletions, new versions, replaced fragments and new volumes. */
function story(seed: number, faults: DiskFaults): { disk: CrashDisk; moments: Moment[] } {
  const disk = new CrashDisk(new Map(), { shortWriteBytes: 3000 + (seed % 5) * 1000, ...faults })
  const clock = new TestClock()
  const store = openStoreOn({ folder: disk, clock })
  const choose = chooser(seed)
  const promises: Promised[] = []
  const moments: Moment[] = []
  const note = () =>
    moments.push({ at: disk.log.length, promises: copyOf(promises), index: store.index.serialize() })
  note()
  for (let step = 0; step < 14; step++) {
    const open = promises.filter(({ finished, deleted }) => !finished && !deleted)
    const kept = promises.filter(({ finished, deleted }) => finished && !deleted)
    const action = choose(6)
    if (action === 0 && kept.length > 0) deleteObject(store, kept[choose(kept.length)]!)
    else if (action === 5 && kept.length > 0 && choose(2) === 0) drop(store, kept[choose(kept.length)]!)
    else if (action === 1 && open.length > 0) {
      const promise = open[choose(open.length)]!
      putSome(store, promise, [...promise.object.fragments[0]!.keys()], true)
    } else {
      const object = smallObject(seed * 100 + step, 1, 300 + choose(3) * 1500)
      const promise = { object, acked: new Set<number>(), finished: false, deleted: false }
      promises.push(promise)
      const all = [...object.fragments[0]!.keys()]
      if (choose(3) === 0) putSome(store, promise, all.slice(0, 1 + choose(all.length)), false)
      else putSome(store, promise, all, true)
    }
    if (choose(5) === 0) clock.ms += 1000
    note()
  }
  store.close()
  return { disk, moments }
}

/** The chain has shown that nobody needs it: nothing of it is promised any more. */
function drop(store: VolumeStore, promise: Promised): void {
  const { objectId, version, owner } = promise.object
  const name = { objectId, version, ownerKey: owner.publicKey, column: 0 }
  expect(store.judge([], [name])).toBe(1)
  promise.finished = false
  promise.acked.clear()
  while (store.compact());
}

/** Lets the power fail at call `end` and looks whether the store that comes up keeps what was promised by then. */
function afterCrash(disk: CrashDisk, moments: Moment[], end: number, seed: number): string | null {
  const choose = chooser(seed)
  const image = disk.crash(end, choose)
  const past = moments.filter(({ at }) => at <= end)
  const now = past.at(-1)!
  const inFlight = moments[past.length]?.promises ?? now.promises
  const index = [null, now.index, past[choose(past.length)]!.index][choose(3)]!
  const folder = new CrashDisk(image)
  const store = openStoreOn({ folder, index })
  try {
    for (const [at, promise] of now.promises.entries()) {
      const later = inFlight[at]!
      const mayBeGone = (later.deleted && !promise.deleted) || (promise.finished && !later.finished)
      const broken = brokenPromise(store, promise)
      if (broken && !mayBeGone) return broken
    }
    return choose(8) === 0 ? lifeAfter(store, folder) : null
  } finally {
    store.close()
  }
}

const FRESH = smallObject(9_000_000)

/** @returns why a recovered store cannot go on as before, or null. */
function lifeAfter(store: VolumeStore, folder: CrashDisk): string | null {
  const fresh: Promised = { object: FRESH, acked: new Set(), finished: false, deleted: false }
  putSome(store, fresh, [...FRESH.fragments[0]!.keys()], true)
  if (!fresh.finished) return 'nothing can be put after the crash'
  const again = openStoreOn({ folder: new CrashDisk(folder.image()), index: new Uint8Array(3) })
  const broken = brokenPromise(again, fresh)
  again.close()
  return broken && `after the crash: ${broken}`
}

/** @returns how many states were tried and the first promise that was broken. */
function explore(faults: DiskFaults, states: number): { tried: number; broken: string | null } {
  let tried = 0
  for (let seed = 1; tried < states; seed++) {
    const { disk, moments } = story(seed, faults)
    const perCall = 3
    for (let end = 1; end <= disk.log.length; end++)
      for (let variant = 0; variant < perCall; variant++) {
        const broken = afterCrash(disk, moments, end, seed * 1_000_003 + end * 31 + variant)
        tried++
        if (broken) return { tried, broken: `${broken} (seed ${seed}, call ${end}, variant ${variant})` }
        if (tried >= states) return { tried, broken: null }
      }
  }
  return { tried, broken: null }
}

test(`no power failure loses what was acknowledged (${STATES} states)`, {
  timeout: 60_000 + STATES * 60,
}, () => {
  expect(explore({}, STATES)).toEqual({ tried: STATES, broken: null })
})

test('a failed sync loses nothing that was acknowledged', { timeout: 60_000 }, () => {
  for (const failSyncAt of [1, 3, 6, 9]) expect(explore({ failSyncAt }, 50).broken).toBe(null)
})

describe('wrong stores are found out', () => {
  test.each<[string, DiskFaults]>([
    ['acknowledges before the sync', { ignoreSync: true }],
    ['never syncs the folder', { ignoreFolderSync: true }],
    ['asks again after a failed sync', { failSyncAt: 1, retrySync: true }],
  ])('one that %s', { timeout: 60_000 }, (_, faults) => {
    expect(explore(faults, 2000).broken).toMatch(/gone|gaps|wrong|again|read/)
  })
})
