import Database from 'better-sqlite3'
import { describe, expect, test } from 'vitest'
import { XcareError } from '../../src/errors.ts'
import { COMMIT_BYTES_MAX } from '../../src/limits.ts'
import { writeFaultOf } from '../../src/storage-node/disk/fault.ts'
import { Batch } from '../../src/storage-node/disk/volume/batch.ts'
import { RECORD, recordBytes } from '../../src/storage-node/disk/volume/record.ts'
import { CrashDisk } from './crash-disk.ts'
import { openPutOf } from './made-object.ts'
import { expectKept, openStoreOn, putAll, STORE_ID } from './store-model.ts'
import { smallObject } from './writer-objects.ts'

const system = (code: string) => Object.assign(new Error(code), { code })

test.each<[unknown, string]>([
  [system('EIO'), 'disk'],
  [system('EROFS'), 'disk'],
  [new Database.SqliteError('io', 'SQLITE_IOERR_WRITE'), 'disk'],
  [system('ENOSPC'), 'full'],
  [new Database.SqliteError('full', 'SQLITE_FULL'), 'full'],
  [new XcareError('NO_SPACE', 'short'), 'full'],
  [system('EMFILE'), 'short'],
  [new RangeError('offset is out of bounds'), 'own'],
  [new TypeError('undefined is not a function'), 'own'],
  [Object.assign(new RangeError('range'), { code: 'ERR_OUT_OF_RANGE' }), 'own'],
  [new Database.SqliteError('unique', 'SQLITE_CONSTRAINT_UNIQUE'), 'own'],
  [new XcareError('INTERNAL', 'a record does not fit'), 'own'],
  ['thrown text', 'own'],
])('only what the system says of the disk counts against it: %s', (error, expected) => {
  expect(writeFaultOf(error)).toBe(expected)
})

test('a commit refuses a record that it has no room for', () => {
  const batch = new Batch(STORE_ID)
  const named = { objectId: new Uint8Array(32), ownerKey: new Uint8Array(32), version: 1, column: 0 }
  const header = { type: RECORD.column, sequence: 1, id: new Uint8Array(32), ...named, stripe: 0 }
  const body = new Uint8Array(COMMIT_BYTES_MAX - recordBytes(0))
  batch.add(header, body)
  expect(() => batch.add(header, new Uint8Array(1))).toThrow(expect.objectContaining({ code: 'INTERNAL' }))
  batch.clear()
  batch.add(header, body)
  batch.release()
})

describe('a mistake of the program itself', () => {
  const setUp = () => {
    const store = openStoreOn({ folder: new CrashDisk() })
    const objects = [1, 2, 3].map((seed) => smallObject(seed))
    const puts = objects.map((object) => {
      const { handle } = store.openPut(openPutOf(object))
      return { kind: 'put' as const, handle, stripe: 0, first: 0, count: 1, body: object.fragments[0]![0]! }
    })
    return { store, objects, puts }
  }

  test('costs only the op that it is met with, however often, and never makes the node read-only', () => {
    const { store, objects, puts } = setUp()
    const before = putAll(store, smallObject(9))
    const addColumn = store.index.addColumn.bind(store.index)
    store.index.addColumn = (name, ...rest) => {
      if (name.objectId[0] === objects[1]!.objectId[0]) throw new RangeError('offset is out of bounds')
      return addColumn(name, ...rest)
    }
    for (let round = 0; round < 3; round++)
      expect(store.commit(puts)).toMatchObject([{}, { code: 'INTERNAL' }, {}])
    expect(store.status().readOnly).toBe(false)
    store.index.addColumn = addColumn
    expect(store.commit(puts)).toEqual([{}, {}, {}])
    for (const { handle } of puts) store.closePut(handle)
    expectKept(store, [before, ...objects.map((object) => putAll(store, object))])
    store.close()
  })

  test('takes nothing of a commit with it that was undone: no fragment counts twice', () => {
    const { store, puts } = setUp()
    const original = store.index.setVolumeSize.bind(store.index)
    store.index.setVolumeSize = () => {
      throw new TypeError('not a number')
    }
    expect(store.commit(puts).every((result) => result instanceof XcareError)).toBe(true)
    expect(store.status()).toMatchObject({ fragments: 0, liveBytes: 0, readOnly: false })
    store.index.setVolumeSize = original
    expect(store.commit(puts)).toEqual([{}, {}, {}])
    expect(store.status().fragments).toBe(3)
    store.close()
  })
})
