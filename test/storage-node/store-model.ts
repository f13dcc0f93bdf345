import { expect } from 'vitest'
import { equalBytes } from '../../src/bytes.ts'
import { XcareError } from '../../src/errors.ts'
import { VolumeStore } from '../../src/storage-node/disk/store.ts'
import type { VolumeFolder } from '../../src/storage-node/disk/volume/files.ts'
import { AUDIENCE, deleteOf, type MadeObject, openPutOf } from './made-object.ts'

export const STORE_ID = new Uint8Array(16).fill(0x5a)

/** A clock that moves when told to. */
export class TestClock {
  ms = 1_700_000_000_000
  nowMs = () => this.ms
}

export interface StoreSetting {
  folder: VolumeFolder
  clock?: TestClock
  quotaBytes?: number
  index?: Uint8Array | null
  path?: string
  volumeBytes?: number
  storeId?: Uint8Array
}

/** Opens a store whose index lives in memory unless `path` is given. */
export function openStoreOn(setting: StoreSetting): VolumeStore {
  const { folder, clock = new TestClock(), quotaBytes = 1e9, index = null, path = ':memory:' } = setting
  const { volumeBytes = 24_000, storeId = STORE_ID } = setting
  const place = path === ':memory:' ? { path, bytes: index ?? new Uint8Array(0) } : { path }
  return new VolumeStore({
    folder,
    index: place,
    storeId,
    quotaBytes,
    audience: AUDIENCE,
    clock,
    volumeBytes,
  })
}

/** What a user was promised about one version of an object: fragments acknowledged, whether the receipt was given, whether it was deleted. */
export interface Promised {
  object: MadeObject
  acked: Set<number>
  finished: boolean
  deleted: boolean
}

/** A copy that later promises do not change. */
export function copyOf(promises: Promised[]): Promised[] {
  return promises.map((promise) => ({ ...promise, acked: new Set(promise.acked) }))
}

/** @returns the code of the XcareError that `work` throws, or null. */
export function codeOf(work: () => unknown): string | null {
  try {
    const result = work()
    return result instanceof XcareError ? result.code : null
  } catch (error) {
    if (error instanceof XcareError) return error.code
    throw error
  }
}

/** Puts fragments of an object and finishes it when asked; notes in `promise` what was acknowledged. */
export function putSome(store: VolumeStore, promise: Promised, stripes: number[], finish: boolean): void {
  const { object } = promise
  const { handle } = store.openPut(openPutOf(object))
  const puts = stripes.map((stripe) => ({
    kind: 'put' as const,
    handle,
    stripe,
    first: 0,
    count: 1,
    body: object.fragments[0]![stripe]!,
  }))
  const ops = finish ? [...puts, { kind: 'finish' as const, handle, manifest: object.manifest }] : puts
  const results = store.commit(ops)
  results.slice(0, stripes.length).forEach((result, at) => {
    if (!(result instanceof XcareError)) promise.acked.add(stripes[at]!)
  })
  if (finish && !(results.at(-1) instanceof XcareError)) promise.finished = true
  store.closePut(handle)
}

/** Nothing was promised yet. */
export const promiseOf = (object: MadeObject): Promised => ({
  object,
  acked: new Set(),
  finished: false,
  deleted: false,
})

/** Every stripe of the object's first made column. */
export const stripesOf = (object: MadeObject): number[] => [...object.fragments[0]!.keys()]

/** Puts a whole object. @throws Error when it is not accepted. */
export function putAll(store: VolumeStore, object: MadeObject): Promised {
  const promise = promiseOf(object)
  putSome(store, promise, stripesOf(object), true)
  if (!promise.finished) throw new Error('the object was not accepted')
  return promise
}

/** Deletes an object; notes in `promise` when that was acknowledged and there was something to delete. */
export function deleteObject(store: VolumeStore, promise: Promised): void {
  const { object } = promise
  const [result] = store.commit([{ kind: 'delete', order: deleteOf(object) }])
  if (result instanceof XcareError) return
  promise.deleted = store.index.tombstone(object.objectId, object.owner.publicKey) >= object.version
  if (!promise.deleted && (promise.acked.size > 0 || promise.finished))
    throw new Error('the deletion left no trace')
}

/** @returns what of a finished column can be read: fragments by stripe, null where there is a gap; or null when it is not there. */
export function readBack(store: VolumeStore, object: MadeObject): (Uint8Array | null)[] | null {
  const key = { objectId: object.objectId, version: object.version }
  const found: (Uint8Array | null)[] = object.fragments[0]!.map(() => null)
  try {
    for (let from = 0; from < found.length; from += 16) {
      const to = Math.min(from + 16, found.length)
      const run = store.read((reader) => reader.fragments(key, [0], from, to))
      for (const { stripe, at, length } of run.parts) found[stripe] = run.bytes.slice(at, at + length)
    }
  } catch (error) {
    if (error instanceof XcareError && error.code === 'NOT_FOUND') return null
    throw error
  }
  return found
}

/** @returns why `store` does not keep `promise`, or null when it does. */
export function brokenPromise(store: VolumeStore, promise: Promised): string | null {
  const { object, acked, finished, deleted } = promise
  const found = readBack(store, object)
  if (deleted) {
    if (found !== null) return 'a deleted object can be read'
    return codeOf(() => store.openPut(openPutOf(object))) === 'REFUSED'
      ? null
      : 'a deleted version can be put again'
  }
  if (finished) {
    if (found === null) return 'a finished column is gone'
    if (!found.every((fragment, stripe) => fragment && equalBytes(fragment, object.fragments[0]![stripe]!)))
      return 'a finished column has gaps or wrong bytes'
    const manifest = store.read((reader) => reader.manifest(object.objectId))
    return equalBytes(manifest, object.manifest) || manifest.length > 0 ? null : 'the manifest is wrong'
  }
  const { handle, bitmaps } = store.openPut(openPutOf(object))
  store.closePut(handle)
  const lost = [...acked].filter((stripe) => ((bitmaps[stripe >> 3]! >> (stripe & 7)) & 1) === 0)
  return lost.length > 0 ? `acknowledged fragments are gone: ${lost}` : null
}

/** Fails when `store` breaks one of `promises`. */
export function expectKept(store: VolumeStore, promises: Promised[]): void {
  for (const promise of promises) expect(brokenPromise(store, promise)).toBe(null)
}
