import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { equalBytes } from '../../src/bytes.ts'
import { XcareError } from '../../src/errors.ts'
import { CREDIT_BYTES_MAX, VOLUME_BLOCK_BYTES } from '../../src/limits.ts'
import { RecentReads } from '../../src/storage-node/disk/recent-reads.ts'
import type { VolumeStore } from '../../src/storage-node/disk/store.ts'
import { openVolumeFolder, type VolumeFolder } from '../../src/storage-node/disk/volume/files.ts'
import { pageAligned, sharedPageAligned } from '../../src/storage-node/disk/volume/page-aligned.ts'
import { serveFragmentsOf } from '../../src/storage-node/serve-read.ts'
import { decodeNodeFrame, type NodeMessage } from '../../src/wire/fragment-protocol.ts'
import { type MadeObject, makeObject, openPutOf, seededBytes } from './made-object.ts'
import { ServedNode } from './served-node.ts'
import { openStoreOn } from './store-model.ts'
import { WornDisk } from './worn-disk.ts'

const COLUMNS = [0, 1]
const STRIPES = 12

/** Two columns of fragments that are large enough to be read past the page cache. */
function largeObject(seed: number): MadeObject {
  const object = makeObject({
    ...{ seed, columns: COLUMNS, k: 8, n: 16 },
    ...{ length: STRIPES * 8 * 32_768 - 20_000, shardBytesMax: 32_768 },
  })
  expect(object.layout.stripes).toBeGreaterThanOrEqual(STRIPES - 1)
  return object
}

function stored(folder: VolumeFolder, object: MadeObject): VolumeStore {
  const store = openStoreOn({ folder, volumeBytes: 1e8 })
  const { handle } = store.openPut(openPutOf(object, COLUMNS))
  const puts = object.fragments[0]!.map((first, stripe) => ({
    ...{ kind: 'put' as const, handle, stripe, first: 0, count: COLUMNS.length },
    body: new Uint8Array(Buffer.concat([first, object.fragments[1]![stripe]!])),
  }))
  const finish = { kind: 'finish' as const, handle, manifest: object.manifest }
  for (const result of store.commit([...puts, finish])) if (result instanceof XcareError) throw result
  return store
}

/** @returns which of the fragments came, as `stripe/column`; every one that came is right. */
function readAll(store: VolumeStore, object: MadeObject): string[] {
  const { objectId, version, layout } = object
  const run = store.read((reader) => reader.fragments({ objectId, version }, COLUMNS, 0, layout.stripes))
  for (const { stripe, column, at, length } of run.parts)
    expect(
      equalBytes(run.bytes.subarray(at, at + length), object.fragments[column]![stripe]!),
      `${stripe}/${column}`,
    ).toBe(true)
  if (run.bytes.buffer instanceof SharedArrayBuffer) store.giveBack(run.bytes)
  return run.parts.map(({ stripe, column }) => `${stripe}/${column}`)
}

describe('what is read', () => {
  const object = largeObject(1)
  const all = object.fragments[0]!.flatMap((_, stripe) => COLUMNS.map((column) => `${stripe}/${column}`))

  test('for the first time comes past the page cache, in one go; again, through it', () => {
    const folder = new WornDisk()
    const store = stored(folder, object)
    const ways = [1, 2, 3].map(() => {
      const before = folder.reads.length
      expect(readAll(store, object)).toEqual(all)
      return folder.reads.slice(before).map(({ way }) => way)
    })
    expect(ways).toEqual([['direct'], ['cached'], ['cached']])
    store.close()
  })

  test('in small pieces comes through the page cache, which reads ahead', () => {
    const folder = new WornDisk()
    const store = stored(folder, object)
    const { objectId, version } = object
    for (let stripe = 0; stripe < 4; stripe++)
      store.read((reader) => reader.fragments({ objectId, version }, [0], stripe, stripe + 1))
    expect(folder.reads.every(({ way }) => way === 'cached')).toBe(true)
    store.close()
  })

  test('comes through the page cache where there is no page-aligned memory', () => {
    const folder = new WornDisk()
    const store = stored(folder, object)
    const { length } = folder.reads
    const Memory = vi.spyOn(WebAssembly, 'Memory').mockImplementation(function none() {
      throw new RangeError('no more addresses')
    })
    try {
      expect(readAll(store, object)).toEqual(all)
      expect(Memory).toHaveBeenCalledOnce()
    } finally {
      Memory.mockRestore()
    }
    expect(folder.reads.slice(length).map(({ way }) => way)).toEqual(['cached'])
    store.close()
  })

  test('from a disk with one bad sector is all but the fragment on it', () => {
    const folder = new WornDisk()
    const store = stored(folder, object)
    const middle = VOLUME_BLOCK_BYTES + Math.floor(all.length / 2) * (object.fragments[0]![0]!.length + 128)
    folder.bad = { from: middle + 5000, to: middle + 5512 }
    const came = readAll(store, object)
    expect(came).toHaveLength(all.length - 1)
    const lost = all.filter((name) => !came.includes(name))
    expect(store.takeDamaged().map(({ stripe, column }) => `${stripe}/${column}`)).toEqual(lost)
    // It is known now, and no longer asked for: the others come as ever.
    folder.bad = null
    expect(readAll(store, object)).toEqual(came)
    store.close()
  })

  test('by a read that fails once is nothing lost', () => {
    const folder = new WornDisk()
    const store = stored(folder, object)
    const { length } = folder.reads
    folder.bad = {
      from: 0,
      get to() {
        return folder.reads.length === length + 1 ? 1e9 : 0
      },
    }
    expect(readAll(store, object)).toEqual(all)
    expect(store.takeDamaged()).toEqual([])
    store.close()
  })
})

describe('the memory of a read', () => {
  const objects = [1, 2, 3].map(largeObject)
  let node: ServedNode
  beforeEach(async () => {
    node = await ServedNode.start()
    for (const object of objects) {
      const client = node.connect()
      for (const column of COLUMNS)
        expect(await client.putColumn(object, column, object.fragments[column])).toMatchObject({
          op: 'RECEIPT',
        })
    }
  })
  afterEach(() => node.stop())

  /** Serves all of `object` to a socket that is slow to read what it was given. @returns the frames as they were handed over, without a copy. */
  async function served(object: MadeObject, flushed: Promise<void>): Promise<Uint8Array[][]> {
    const frames: Uint8Array[][] = []
    const { objectId, version, layout } = object
    const session: Parameters<typeof serveFragmentsOf>[0] = {
      parts: node.parts,
      write: async (...parts) => void frames.push(parts),
      send: async () => {},
      flushed: () => flushed,
      withRoom: (_, answer) => answer(() => {}),
      recycle: () => {},
      proven: () => {},
      interrupt: () => {},
    }
    const columns = [...COLUMNS]
    const range = { objectId, version, columns, from: 0, to: layout.stripes }
    await serveFragmentsOf(session, { op: 'GET', ...range, hashes: false })
    return frames
  }

  const messagesIn = (frames: Uint8Array[][]) =>
    frames.map((parts) => decodeNodeFrame(new Uint8Array(Buffer.concat(parts))))

  function expectWhole(messages: NodeMessage[], object: MadeObject): void {
    let fragments = 0
    for (const message of messages) {
      if (message.op !== 'FRAG') throw new Error(message.op)
      const size = object.fragments[0]![0]!.length
      for (let at = 0; at * size < message.body.length; at++, fragments++)
        expect(message.body.subarray(at * size, (at + 1) * size)).toEqual(
          object.fragments[message.first + at]![message.stripe],
        )
    }
    expect(fragments).toBe(COLUMNS.length * object.layout.stripes)
  }

  test('is not written again while a socket may still read it, and is when it does not', async () => {
    const slow = Promise.withResolvers<void>()
    const first = await served(objects[0]!, slow.promise)
    for (const object of [1, 2, 1, 2].map((at) => objects[at]!))
      expectWhole(messagesIn(await served(object, Promise.resolve())), object)
    expectWhole(messagesIn(first), objects[0]!)
    slow.resolve()
    await slow.promise
    // The piece came back with the next call, and is the next that is used.
    await node.parts.store.call('status')
    const next = await served(objects[1]!, Promise.resolve())
    expectWhole(messagesIn(next), objects[1]!)
    expect(() => expectWhole(messagesIn(first), objects[0]!)).toThrow()
  })

  test('of a stream that broke off is never written again', async () => {
    const [object, ...others] = objects as [MadeObject, ...MadeObject[]]
    const frames = await served(object, new Promise(() => {}))
    for (let round = 0; round < 12; round++)
      for (const other of others) expectWhole(messagesIn(await served(other, Promise.resolve())), other)
    expectWhole(messagesIn(frames), object)
  })

  test('is that of one reader for each of many at the same time', async () => {
    const readers = Array.from({ length: 12 }, async (_, at) => {
      const object = objects[at % objects.length]!
      const client = node.connect()
      const { objectId, version, layout } = object
      for (let round = 0; round < 3; round++) {
        const messages = await client.collect({
          ...{ op: 'GET', objectId, version, columns: [...COLUMNS] },
          ...{ from: 0, to: layout.stripes, hashes: false },
        })
        expect(messages.at(-1)?.op).toBe('END')
        expectWhole(messages.slice(0, -1), object)
      }
    })
    await Promise.all(readers)
  })
})

test('objects are remembered in the order in which they were read, a thousand at most', () => {
  const recent = new RecentReads()
  const ids = Array.from({ length: 1200 }, (_, seed) => seededBytes(seed + 1, 32))
  for (const id of ids) {
    expect(recent.isAgain(id, 1, 0, 4)).toBe(false)
    expect(recent.isAgain(id, 1, 4, 8)).toBe(false)
    expect(recent.isAgain(id, 2, 0, 4)).toBe(false)
    // Who is read all the time is not forgotten.
    expect(recent.isAgain(ids[0]!, 1, 3, 8)).toBe(true)
  }
  expect(recent.isAgain(ids[1]!, 1, 0, 4)).toBe(false)
  expect(recent.isAgain(ids.at(-1)!, 1, 7, 9)).toBe(true)
})

describe('a file that is read past the page cache', () => {
  let path: string
  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'xcare-direct-'))
  })
  afterEach(() => rmSync(path, { recursive: true, force: true }))

  test('gives the same bytes as one that is not, after either way of writing, up to its end', () => {
    const file = openVolumeFolder(path).create('a')
    const blocks = pageAligned(CREDIT_BYTES_MAX)
    blocks.set(seededBytes(7, CREDIT_BYTES_MAX))
    const all = blocks.slice()
    expect(file.write(blocks, 0)).toBe(all.length)
    const late = seededBytes(8, 3 * VOLUME_BLOCK_BYTES)
    expect(file.write(late, all.length)).toBe(late.length)
    const whole = new Uint8Array(Buffer.concat([all, late]))
    for (const memory of [
      pageAligned(whole.length),
      sharedPageAligned(whole.length)!,
      new Uint8Array(whole.length),
    ]) {
      const into = memory.subarray(0, whole.length)
      expect(file.readDirectly(into, 0)).toBe(whole.length)
      expect(equalBytes(into, whole)).toBe(true)
      const end = into.subarray(0, 8 * VOLUME_BLOCK_BYTES)
      expect(file.readDirectly(end, all.length)).toBe(late.length)
      expect(equalBytes(end.subarray(0, late.length), late)).toBe(true)
      expect(file.readDirectly(end, whole.length)).toBe(0)
    }
    file.close()
  })
})
