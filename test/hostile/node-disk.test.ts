import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { FragmentStore } from '../../src/storage-node/fragment-store.ts'
import { AUDIENCE, makeObject, openPutOf } from '../storage-node/made-object.ts'
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
