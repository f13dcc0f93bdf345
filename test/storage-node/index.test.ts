import { describe, expect, test } from 'vitest'
import { FragmentIndex } from '../../src/storage-node/disk/catalog/fragment-index.ts'
import type { Place } from '../../src/storage-node/disk/catalog/place.ts'

const STORE = new Uint8Array(16).fill(1)
const NAME = { objectId: new Uint8Array(32), ownerKey: new Uint8Array(32), version: 1, column: 0 }
const LAYOUT = { k: 2, n: 4, shardBytes: 64, stripes: 9000 }

const place = (at: number): Place => ({
  ...{ volume: 1, at, length: 100, isBad: false },
  ...{ hash: new Uint8Array(32).fill(at), share: new Uint8Array(33) },
})

/** An index with one empty column, and what a process that starts now would find in its file. */
function opened() {
  const index = FragmentIndex.create(':memory:', STORE)
  index.ready()
  index.begin()
  const column = index.addColumn(NAME, LAYOUT, 0)
  index.commit(5)
  const put = (stripe: number, at: number, sequence: number) => {
    index.begin()
    index.setPlace(column, stripe, place(at), index.place(column, stripe))
    index.setVolumeSize(1, at + 1000)
    index.commit(sequence)
  }
  const stripes = () => [...index.places(column, 0, LAYOUT.stripes)].map(({ stripe }) => stripe)
  return { index, column, put, stripes }
}

describe('places that the file of the index does not know yet', () => {
  test('are found all the same, in order, and counted', () => {
    const { index, column, put, stripes } = opened()
    put(7, 4096, 6)
    put(2, 8192, 7)
    expect(index.isLate).toBe(true)
    expect(index.place(column, 7)?.at).toBe(4096)
    expect(stripes()).toEqual([2, 7])
    expect(index.volumes.get(1)).toMatchObject({ fragments: 2, size: 9192 })
    index.settle()
    expect(index.isLate).toBe(false)
    put(5, 12_288, 8)
    put(7, 16_384, 9)
    expect(stripes()).toEqual([2, 5, 7])
    expect(index.place(column, 7)?.at).toBe(16_384)
    expect(index.volumes.get(1)?.fragments).toBe(3)
  })

  test('reach the file with the sequence and the size of the volume that belong to them', () => {
    const { index, column, put } = opened()
    put(3, 4096, 6)
    const copy = FragmentIndex.open(index.serialize(), STORE)!
    expect(copy.place(column, 3)?.at).toBe(4096)
    expect(copy.sequence).toBe(6)
    expect(copy.volumes.get(1)?.size).toBe(5096)
    copy.close()
  })

  test('reach the file before anything else that is written', () => {
    const { index, column, put } = opened()
    put(3, 4096, 6)
    index.begin()
    const other = index.addColumn({ ...NAME, column: 1 }, LAYOUT, 0)
    index.setPlace(other, 0, place(8192), null)
    index.commit(7)
    expect(index.isLate).toBe(false)
    const copy = FragmentIndex.open(index.serialize(), STORE)!
    expect(copy.place(column, 3)?.at).toBe(4096)
    expect(copy.place(other, 0)?.at).toBe(8192)
    copy.close()
  })

  test('go when their step is undone, and those before stay', () => {
    const { index, column, put, stripes } = opened()
    put(3, 4096, 6)
    for (const writes of [false, true]) {
      index.begin()
      index.setPlace(column, 3, place(8192), index.place(column, 3))
      index.setPlace(column, 4, place(12_288), null)
      index.setVolumeSize(1, 99_999)
      if (writes) index.addColumn({ ...NAME, column: 2 }, LAYOUT, 0)
      index.rollback()
      expect(stripes()).toEqual([3])
      expect(index.place(column, 3)?.at).toBe(4096)
      expect(index.volumes.get(1)).toMatchObject({ fragments: 1, size: 5096 })
      expect(index.column({ ...NAME, column: 2 }, NAME.ownerKey)).toBeNull()
    }
    index.settle()
    expect(stripes()).toEqual([3])
  })

  test('are written when they become many', () => {
    const { index, column, stripes } = opened()
    index.begin()
    for (let stripe = 0; stripe < LAYOUT.stripes; stripe++)
      index.setPlace(column, stripe, place(stripe * 4096), null)
    index.commit(LAYOUT.stripes)
    expect(index.isLate).toBe(false)
    expect(stripes().length).toBe(LAYOUT.stripes)
  })
})
