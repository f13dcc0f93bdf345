import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { PUT_AHEAD_MS } from '../../src/limits.ts'
import { FragmentStore } from '../../src/storage-node/fragment-store.ts'
import { CrashDisk } from '../storage-node/crash-disk.ts'
import { AUDIENCE, makeObject, openPutOf } from '../storage-node/made-object.ts'
import { codeOf, openStoreOn, putAll, TestClock } from '../storage-node/store-model.ts'
import { Stranger } from './stranger.ts'

vi.setConfig({ testTimeout: 120_000 })

const stranger = new Stranger()
const path = mkdtempSync(join(tmpdir(), 'xcare-hostile-disk-'))
afterEach(() => rmSync(path, { recursive: true, force: true }))

test('the widest objects, finished together, are finished: the disk of the node is not at fault', async () => {
  const k = 32_767
  const columns = Array.from({ length: 10_922 }, (_, column) => column)
  const objects = [1, 2, 3].map(() => stranger.object({ k, n: k + 1, columns, shardBytesMax: 64 }))
  const store = await FragmentStore.open({ path, quotaBytes: 2 ** 30, audience: AUDIENCE })
  const puts = await Promise.all(
    objects.map(async (object) => {
      const handle = store.newHandle()
      await store.call('openPut', openPutOf(object, columns), handle)
      for (let first = 0; first < columns.length; first += 900) {
        const bodies = object.fragments.slice(first, first + 900).map(([fragment]) => fragment!)
        await store.put(handle, 0, first, bodies.length, Buffer.concat(bodies))
      }
      return { handle, object }
    }),
  )
  const receipts = await Promise.all(
    puts.map(({ handle, object }) => store.call('finish', handle, object.manifest)),
  )
  expect(receipts.map(({ bytes }) => bytes)).toEqual(objects.map(() => columns.length * 1088))
  expect(await store.call('status')).toMatchObject({ readOnly: false, fragments: 3 * columns.length })
  const honest = makeObject({ seed: 5 })
  await store.call('openPut', openPutOf(honest), store.newHandle())
  await store.close()
})

test('orders alone take next to nothing of a quota, and the refusal tells no numbers', () => {
  const clock = new TestClock()
  const store = openStoreOn({ folder: new CrashDisk(), clock, quotaBytes: 2 ** 30, volumeBytes: 2 ** 28 })
  for (let order = 0; order < 400; order++) {
    const large = stranger.object({ length: 40_000_000, shardBytesMax: 65_536, columns: [] })
    store.openPut(openPutOf(large))
  }
  const honest = makeObject({ seed: 7, length: 200_000_000, shardBytesMax: 65_536, columns: [] })
  const { handle } = store.openPut(openPutOf(honest))
  store.closePut(handle)
  // What could never fit is refused at once.
  const never = makeObject({ seed: 8, k: 2, n: 3, length: 2 ** 28, shardBytesMax: 65_536, columns: [] })
  const small = openStoreOn({ folder: new CrashDisk(), quotaBytes: 2 ** 26 })
  expect(() => small.openPut(openPutOf(never))).toThrow(
    expect.objectContaining({ code: 'QUOTA_FULL', message: expect.not.stringMatching(/\d/) }),
  )
  store.close()
  small.close()
})

test('orders that bring nothing are promised nothing any more, even where little is left', () => {
  const clock = new TestClock()
  const store = openStoreOn({ folder: new CrashDisk(), clock, quotaBytes: 6e6, volumeBytes: 1e6 })
  const fresh = () => stranger.object({ length: 8_000_000, shardBytesMax: 65_536, columns: [] })
  for (let order = 0; order < 20; order++)
    store.openPut(openPutOf(stranger.object({ length: 20_000, columns: [] })))
  const filler = makeObject({ seed: 9, length: 600_000, shardBytesMax: 4096 })
  putAll(store, filler)
  expect(codeOf(() => store.openPut(openPutOf(fresh())))).toBe('QUOTA_FULL')
  clock.ms += PUT_AHEAD_MS
  const { handle } = store.openPut(
    openPutOf(makeObject({ seed: 10, length: 1_000_000, shardBytesMax: 4096, columns: [] })),
  )
  store.closePut(handle)
  store.close()
})
