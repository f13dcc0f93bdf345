import { describe, expect, test } from 'vitest'
import { toHex } from '../../src/bytes.ts'
import { recordKey } from '../../src/chain-anchor/app/keys.ts'
import { type RecordValue, recordValue } from '../../src/chain-anchor/app/values.ts'
import { XcareError } from '../../src/errors.ts'
import { verifyManifest } from '../../src/fragment/manifest.ts'
import {
  ANCHOR_QUESTIONS_MAX,
  ANCHOR_SWEEP_MS,
  HEADER_AGE_MS_MAX,
  PUT_ABANDONED_MS,
} from '../../src/limits.ts'
import { judge } from '../../src/storage-node/anchored.ts'
import { AnchoredSweep } from '../../src/storage-node/anchored-sweep.ts'
import type { DiskCall } from '../../src/storage-node/disk/calls.ts'
import type { VolumeStore } from '../../src/storage-node/disk/store.ts'
import { CrashDisk } from './crash-disk.ts'
import { AUDIENCE, type MadeObject, makeObject, openPutOf } from './made-object.ts'
import {
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

const recordOf = (object: MadeObject, more: Partial<RecordValue> = {}): RecordValue => ({
  ...{ objectId: object.objectId, version: 1, ownerKey: object.owner.publicKey },
  ...{
    manifestHash: verifyManifest(object.manifest, AUDIENCE.network).hash,
    k: 4,
    n: 8,
    epoch: 1,
    columns: Uint8Array.of(255),
    moved: [],
  },
  ...{ status: 'active', height: 5, ...more },
})

/** A chain that only knows records. */
class RecordLedger {
  readonly #clock: TestClock
  readonly records = new Map<string, RecordValue>()
  asked = 0
  isAway = false
  /** Age of the headers it proves by. */
  lateMs = 0

  constructor(clock: TestClock) {
    this.#clock = clock
  }

  anchor(object: MadeObject, more: Partial<RecordValue> = {}): void {
    this.records.set(toHex(recordKey(object.objectId)), recordOf(object, more))
  }

  async read(key: Uint8Array) {
    this.asked++
    if (this.isAway) throw new XcareError('OFFLINE', 'the chain is away')
    const record = this.records.get(toHex(key))
    const value = record ? recordValue.encode(record) : null
    return { value, height: 9, timeMs: this.#clock.ms - this.lateMs }
  }
}

/** A store called as the network thread calls it, a chain, and the sweep between them. */
function setUp(disk = new CrashDisk(), clock = new TestClock()) {
  const store = openStoreOn({ folder: disk, clock })
  const ledger = new RecordLedger(clock)
  const sweep = () => new AnchoredSweep({ store: callsOf(store), ledger, clock, nodeId: AUDIENCE.nodeId })
  return { store, ledger, clock, disk, sweep: sweep(), restarted: sweep }
}

function callsOf(store: VolumeStore) {
  const call = async (name: DiskCall, ...args: unknown[]) => {
    if (name === 'patience') return { patienceMs: store.patienceMs() }
    return (store[name as 'held'] as (...all: unknown[]) => unknown).apply(store, args)
  }
  return { call } as ConstructorParameters<typeof AnchoredSweep>[0]['store']
}

const isHere = (store: VolumeStore, { object }: Promised) => readBack(store, object) !== null

describe('a finished column', () => {
  const object = smallObject(1)
  const record = recordOf(object)
  const nowMs = 1_800_000_000_000
  const held = {
    ...{ objectId: object.objectId, ownerKey: object.owner.publicKey, version: 1, column: 2 },
    ...{ cursor: { id: 1, touchedMs: 0 }, finishedMs: nowMs - PUT_ABANDONED_MS, isProven: false },
    manifestHash: verifyManifest(object.manifest, AUDIENCE.network).hash,
  }
  const verdict = (value: RecordValue | null, change: Partial<typeof held> = {}, headerMs = nowMs) =>
    judge({
      ...{ held: { ...held, ...change }, nodeId: AUDIENCE.nodeId, nowMs, patienceMs: PUT_ABANDONED_MS },
      proof: { value: value && recordValue.encode(value), height: 1, timeMs: headerMs },
    })
  const other = { ...record, ownerKey: smallObject(2).owner.publicKey }
  const moved = (nodeId: string) => ({ ...record, moved: [{ column: 2, nodeId }] })

  test.each<[string, ReturnType<typeof verdict>, string]>([
    ['that is anchored stays', verdict(record), 'anchored'],
    ['whose manifest is damaged stays', verdict(record, { manifestHash: null as never }), 'anchored'],
    ['that was moved here stays', verdict(moved(AUDIENCE.nodeId)), 'anchored'],
    ['never anchored goes after an hour', verdict(null), 'gone'],
    ['never anchored stays until then', verdict(null, { finishedMs: held.finishedMs + 1 }), 'unknown'],
    [
      'stays when the header is old',
      verdict(null, { finishedMs: 0 }, nowMs - HEADER_AGE_MS_MAX - 1),
      'unknown',
    ],
    ['of another owner goes', verdict(other), 'gone'],
    [
      'of a removed record goes at once',
      verdict({ ...record, status: 'removed' }, { finishedMs: nowMs }),
      'gone',
    ],
    ['of an older version goes', verdict({ ...record, version: 2 }), 'gone'],
    [
      'of a newer version waits for its anchor',
      verdict(record, { version: 2, finishedMs: nowMs }),
      'unknown',
    ],
    ['of another manifest goes', verdict({ ...record, manifestHash: new Uint8Array(32) }), 'gone'],
    ['that the anchor left out goes', verdict({ ...record, columns: Uint8Array.of(0b11111011) }), 'gone'],
    ['that was moved to another node goes', verdict(moved('another')), 'gone'],
    ['once anchored stays when the record vanishes', verdict(null, { isProven: true }), 'unknown'],
    [
      'once anchored stays when its version vanishes',
      verdict(record, { version: 2, isProven: true }),
      'unknown',
    ],
    [
      'once anchored goes when it is removed',
      verdict({ ...record, status: 'removed' }, { isProven: true }),
      'gone',
    ],
  ])('%s', (_, standing, expected) => {
    expect(standing).toBe(expected)
  })
})

describe('a node asks the chain', () => {
  test('what nobody anchored within an hour leaves the disk, what is anchored stays, and is not asked about again at once', async () => {
    const { store, ledger, clock, sweep } = setUp()
    const [kept, junk] = [putAll(store, smallObject(1)), putAll(store, smallObject(2))]
    ledger.anchor(kept.object)
    expect(await sweep.step()).toMatchObject({ dropped: 0 })
    expect(ledger.asked).toBe(0)
    clock.ms += PUT_ABANDONED_MS + 1
    expect(store.health().unanchored).toBe(2)
    expect(await sweep.step()).toMatchObject({ dropped: 1 })
    expect(isHere(store, junk)).toBe(false)
    expect(store.index.manifest(junk.object.objectId, null)).toBeNull()
    expectKept(store, [kept])
    expect(store.health()).toMatchObject({ unanchored: 0, fragments: stripesOf(kept.object).length })
    const { asked } = ledger
    for (let step = 0; step < 5; step++) await sweep.step()
    expect(ledger.asked).toBeLessThanOrEqual(asked + 1)
  })

  test('a removal that happened while it was away is noticed after its start, and one that happens later by and by', async () => {
    const disk = new CrashDisk()
    const first = setUp(disk)
    const promises = [1, 2, 3].map((seed) => putAll(first.store, smallObject(seed)))
    for (const { object } of promises) first.ledger.anchor(object)
    first.clock.ms += PUT_ABANDONED_MS + 1
    await first.sweep.step()
    const index = first.store.index.serialize()
    first.store.close()
    const clock = new TestClock()
    clock.ms = first.clock.ms + 40 * 24 * 3600 * 1000
    const store = openStoreOn({ folder: new CrashDisk(disk.image()), clock, index })
    const { ledger } = first
    const later = new AnchoredSweep({ store: callsOf(store), ledger, clock, nodeId: AUDIENCE.nodeId })
    ledger.anchor(promises[0]!.object, { status: 'removed' })
    ledger.read = async (key) => {
      const record = ledger.records.get(toHex(key))
      return { value: record ? recordValue.encode(record) : null, height: 9, timeMs: clock.ms }
    }
    expect(await later.step()).toMatchObject({ dropped: 1 })
    expect(promises.map((promise) => isHere(store, promise))).toEqual([false, true, true])
    ledger.anchor(promises[1]!.object, { status: 'removed' })
    expect(await later.step()).toMatchObject({ dropped: 0 })
    clock.ms += ANCHOR_SWEEP_MS
    expect(await later.step()).toMatchObject({ dropped: 1 })
    expectKept(store, [promises[2]!])
    store.close()
  })

  test('a chain that is away, or behind, or not the one it was, costs nothing', async () => {
    const { store, ledger, clock, sweep } = setUp()
    const promises = [1, 2].map((seed) => putAll(store, smallObject(seed)))
    for (const { object } of promises) ledger.anchor(object)
    clock.ms += PUT_ABANDONED_MS + 1
    ledger.isAway = true
    await expect(sweep.step()).rejects.toMatchObject({ code: 'OFFLINE' })
    ledger.isAway = false
    ledger.lateMs = HEADER_AGE_MS_MAX + 1
    const records = [...ledger.records]
    ledger.records.clear()
    expect(await sweep.step()).toMatchObject({ dropped: 0 })
    for (const [key, record] of records) ledger.records.set(key, record)
    ledger.lateMs = 0
    await sweep.step()
    expect(store.health().unanchored).toBe(0)
    ledger.records.clear()
    for (let step = 0; step < 3; step++) {
      clock.ms += ANCHOR_SWEEP_MS
      expect(await sweep.step()).toMatchObject({ dropped: 0 })
    }
    expectKept(store, promises)
  })

  test('many objects are asked about a few at a time, and removals are noticed between them', async () => {
    const { store, ledger, clock, sweep } = setUp()
    const old = putAll(store, smallObject(1000))
    ledger.anchor(old.object)
    clock.ms += PUT_ABANDONED_MS + 1
    await sweep.step()
    const junk = Array.from({ length: 2 * ANCHOR_QUESTIONS_MAX }, (_, seed) =>
      putAll(store, smallObject(seed + 1, 1, 60)),
    )
    clock.ms += PUT_ABANDONED_MS + ANCHOR_SWEEP_MS
    ledger.anchor(old.object, { status: 'removed' })
    const before = ledger.asked
    expect(await sweep.step()).toMatchObject({ isBehind: true })
    expect(ledger.asked - before).toBeLessThanOrEqual(ANCHOR_QUESTIONS_MAX)
    expect(isHere(store, old)).toBe(false)
    for (let step = 0; step < 4; step++) await sweep.step()
    expect(junk.some((promise) => isHere(store, promise))).toBe(false)
    expect(store.status().fragments).toBe(0)
  })

  test('a put of a column that is dropped meanwhile ends, and may begin again', async () => {
    const { store, clock, sweep } = setUp()
    const promise = putAll(store, smallObject(1))
    clock.ms += PUT_ABANDONED_MS + 1
    const again = promiseOf(promise.object)
    const open = store.openPut(openPutOf(promise.object))
    await sweep.step()
    expect(
      store.commit([{ kind: 'finish', handle: open.handle, manifest: promise.object.manifest }]),
    ).toMatchObject([{ code: 'REFUSED' }])
    store.closePut(open.handle)
    putSome(store, again, stripesOf(again.object), true)
    expectKept(store, [again])
  })
})

test('unfinished columns go at the rate at which they can be made: the chore goes on until there is none', () => {
  const clock = new TestClock()
  const store = openStoreOn({ folder: new CrashDisk(), clock, quotaBytes: 1e9, volumeBytes: 1e7 })
  const columns = Array.from({ length: 600 }, (_, at) => at)
  const object = makeObject({ seed: 1, k: 2000, n: 2400, columns, shardBytesMax: 64, length: 60 })
  const { handle } = store.openPut(openPutOf(object, columns))
  const body = Buffer.concat(object.fragments.map(([fragment]) => fragment!))
  store.commit([{ kind: 'put', handle, stripe: 0, first: 0, count: columns.length, body }])
  clock.ms += PUT_ABANDONED_MS + 1
  // While it is open it is not forgotten, and nobody waits behind it.
  expect(store.expire()).toBe(0)
  store.closePut(handle)
  clock.ms += PUT_ABANDONED_MS + 1
  let forgotten = 0
  for (let more = 1; more > 0; forgotten += more) more = store.expire()
  expect(forgotten).toBe(600)
  expect(store.status().fragments).toBe(0)
})
