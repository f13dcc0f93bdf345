import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { bundledBytes, packBundle } from '../../src/fragment/bundle.ts'
import { PROFILES } from '../../src/fragment/profile.ts'
import type { Vault } from '../../src/identity/vault.ts'
import { objectIdToBytes } from '../../src/ids.ts'
import { type GatheredRecord, gatherRecords } from '../../src/light-node/gather-records.ts'
import { openObject } from '../../src/light-node/get.ts'
import type { PutRecordPorts, RecordSource } from '../../src/light-node/put-record.ts'
import { readBundleEntries, readBundleRecord } from '../../src/light-node/range-read.ts'
import { GATHERED_BYTES_MAX, GATHERED_RECORDS_MAX } from '../../src/limits.ts'
import { seededBytes } from '../storage-node/made-object.ts'
import { MemoryNetwork, sourceOf } from './memory-network.ts'

let net: MemoryNetwork
beforeAll(async () => {
  net = await MemoryNetwork.start()
})
afterAll(() => net.stop())
afterEach(async () => {
  await expect.poll(() => net.openStreams.map(({ remote }) => remote)).toEqual([])
  net.reset()
})

const gatherer = (changes: Partial<PutRecordPorts> = {}) =>
  gatherRecords({ ...net.ports, ...changes }, 'lab results', PROFILES.grid)
const small = (at: number, name = `obs/${at}.json`) => sourceOf(seededBytes(at + 1, 4096 - (at % 7)), name)
const objectsPut = () => net.chain.anchored.filter(({ type }) => type === 'record.anchor').length
const idOf = ({ bundle }: GatheredRecord) => bundle.objectId

/** What is read back of every record of `stored`, as `name -> bytes`, each bundle opened once. */
async function readBack(stored: GatheredRecord[]): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>()
  for (const objectId of new Set(stored.map(idOf))) {
    const object = await openObject(net.ports, objectId, net.custodyKeyOf)
    const entries = await readBundleEntries(object)
    for (const { name } of stored.filter((one) => idOf(one) === objectId)) {
      const entry = entries.find((each) => each.name === name)!
      found.set(`${objectId}/${name}`, Buffer.from(await readBundleRecord(object, entry)))
    }
    object.close()
  }
  return found
}

/** A source that hands out its bytes when `open` is called. */
function gated(source: RecordSource): { source: RecordSource; open: () => void } {
  const gate = Promise.withResolvers<void>()
  return {
    source: {
      ...source,
      async *read(offset, length) {
        await gate.promise
        yield* source.read(offset, length)
      },
    },
    open: gate.resolve,
  }
}

describe('small records put at the same time', () => {
  test('two hundred are one object, and each comes back byte for byte', async () => {
    const gathered = gatherer()
    const stored = await Promise.all(Array.from({ length: 200 }, (_, at) => gathered.put(small(at))))
    expect(objectsPut()).toBe(1)
    const found = await readBack(stored)
    for (const [at, one] of stored.entries()) {
      const { content, length } = await whole(small(at))
      expect(one).toMatchObject({ name: `obs/${at}.json`, bytes: length })
      expect(found.get(`${idOf(one)}/${one.name}`)!.equals(content), one.name).toBe(true)
    }
  })

  test('the owner finds the bundle in the list, by what it holds and since when', async () => {
    const gathered = gatherer()
    const [one, two] = await Promise.all([gathered.put(small(1)), gathered.put(small(2))])
    const alone = await gathered.put(small(3))
    const kept = net.vault.get(objectIdToBytes(idOf(one!)))!
    expect(kept).toMatchObject({ kind: 'bundle', bytes: one!.bytes + two!.bytes, name: one!.bundle.name })
    expect(kept.name).toMatch(/^lab results, 2 records of \d{4}-\d\d-\d\d \d\d\.\d\d\.\d\d\.\d{3} UTC$/)
    expect(alone.bundle.name).toMatch(/^lab results, 1 record of /)
  })

  test('callers that put one record after the other stay together: a bundle holds one of each', async () => {
    const gathered = gatherer()
    const caller = async (of: number) => {
      const stored: GatheredRecord[] = []
      for (let at = 0; at < 5; at++) stored.push(await gathered.put(small(of * 100 + at)))
      return stored
    }
    const stored = await Promise.all(Array.from({ length: 16 }, (_, of) => caller(of)))
    expect(objectsPut()).toBe(5)
    for (let at = 0; at < 5; at++) expect(new Set(stored.map((each) => idOf(each[at]!))).size).toBe(1)
  })

  test('what comes while a bundle is under way is the next one, however long that takes', async () => {
    const isReached = Promise.withResolvers<void>()
    const gate = Promise.withResolvers<void>()
    const vault: Vault = {
      ...net.vault,
      add: (entry) => {
        isReached.resolve()
        return gate.promise.then(() => net.vault.add(entry))
      },
    }
    const gathered = gatherer({ vault })
    const first = gathered.put(small(0))
    await isReached.promise
    const second = gathered.put(small(1))
    // Time enough for a bundle to begin.
    await net.ports.clock.sleep(30)
    const third = gathered.put(small(2))
    gate.resolve()
    expect(idOf(await second)).toBe(idOf(await third))
    expect(idOf(await first)).not.toBe(idOf(await second))
    expect(objectsPut()).toBe(2)
  })

  test('one whose source is slow keeps nobody waiting', async () => {
    const gathered = gatherer()
    const slow = gated(small(0))
    const waits = gathered.put(slow.source)
    const others = await Promise.all([gathered.put(small(1)), gathered.put(small(2))])
    expect(objectsPut()).toBe(1)
    slow.open()
    expect(idOf(await waits)).not.toBe(idOf(others[0]!))
  })
})

describe('a gathered record counts as stored', () => {
  test('only when its key is in the vault', async () => {
    const order: string[] = []
    const vault: Vault = {
      ...net.vault,
      add: async (entry) => {
        await new Promise((resolve) => setImmediate(resolve))
        await net.vault.add(entry)
        order.push('kept')
      },
    }
    const gathered = gatherer({ vault, progress: ({ type }) => type === 'anchored' && order.push(type) })
    const one = await gathered.put(small(0))
    order.push('stored')
    expect(order).toEqual(['anchored', 'kept', 'stored'])
    expect(net.vault.get(objectIdToBytes(idOf(one)))).not.toBe(null)
  })

  test('with the columns and guardians of a put, not fewer', async () => {
    const gathered = gatherer()
    const { bundle } = await gathered.put(small(0))
    const { weakest } = await net.put(seededBytes(1, 4096))
    expect(bundle.weakest).toMatchObject({
      columns: weakest.columns,
      columnsOf: weakest.columnsOf,
      custodians: weakest.custodians,
      custodiansOf: weakest.custodiansOf,
    })
  })
})

describe('what fails', () => {
  test('fails alone: a bad name or type, a source that breaks or does not keep its word', async () => {
    const gathered = gatherer()
    const broken: RecordSource = {
      ...small(9),
      // biome-ignore lint/correctness/useYield: it breaks before it can
      async *read() {
        throw new Error('the device went away')
      },
    }
    const bad: [RecordSource, RegExp][] = [
      [small(1, '../up'), /no name for a record/],
      [{ ...small(2), mediaType: 'none' }, /no name for a record/],
      [{ ...small(3), length: 5000 }, /gave \d+ of the 5000 bytes/],
      [{ ...small(4), length: 50, read: () => small(4).read(0, 4000) }, /more than the 50 bytes/],
      [{ ...small(5), length: -1 }, /has -1 bytes/],
      [{ ...small(6), length: Number.NaN }, /has NaN bytes/],
      [broken, /the device went away/],
    ]
    const good = Promise.all([gathered.put(small(100)), gathered.put(small(101))])
    const failed = await Promise.allSettled(bad.map(([source]) => gathered.put(source)))
    const [one, two] = await good
    for (const [at, [, words]] of bad.entries()) {
      expect(failed[at]).toMatchObject({ status: 'rejected' })
      const { reason } = failed[at] as PromiseRejectedResult
      expect(reason.message).toMatch(words)
      if (at < 6) expect(reason).toMatchObject({ code: 'USAGE' })
    }
    expect(objectsPut()).toBe(1)
    expect((await readBack([one!, two!])).size).toBe(2)
  })

  test('a source that changes while it waits changes nothing', async () => {
    const gathered = gatherer()
    const source = small(0)
    const waits = gathered.put(source)
    Object.assign(source, { name: '../elsewhere', mediaType: 'none', length: 1e9 })
    const [one, other] = await Promise.all([waits, gathered.put(small(1))])
    expect(idOf(one)).toBe(idOf(other))
    expect(one).toMatchObject({ name: 'obs/0.json', bytes: 4096 })
  })

  test('a bundle that fails tells each of its records the same, and the next one is tried', async () => {
    const gathered = gatherer()
    for (const at of [0, 6, 7]) net.nodes[at]!.isDown = true
    const known = net.vault.list().length
    const failed = await Promise.allSettled([
      gathered.put(small(0)),
      gathered.put(small(1)),
      gathered.put(small(2)),
    ])
    const reasons = failed.map((one) => (one as PromiseRejectedResult).reason)
    expect(reasons[0]).toMatchObject({ code: 'TOO_FEW_NODES' })
    expect(new Set(reasons).size).toBe(1)
    expect(objectsPut()).toBe(0)
    expect(net.vault.list()).toHaveLength(known)
    for (const node of net.nodes) node.isDown = false
    expect((await readBack(await Promise.all([gathered.put(small(0)), gathered.put(small(1))]))).size).toBe(2)
  })
})

describe('bounds', () => {
  test('names that cannot stand together go to later bundles', async () => {
    const gathered = gatherer()
    const names = ['a', 'a', 'a/b', 'c', 'c/d/e', 'c/d']
    const stored = await Promise.all(names.map((name, at) => gathered.put(small(at, name))))
    const [a, again, inA, c, deep, folder] = stored.map(idOf)
    expect(c).toBe(a)
    expect(deep).toBe(again)
    expect([again, a]).not.toContain(inA)
    expect(folder).toBe(inA)
    expect(objectsPut()).toBe(3)
    const found = await readBack(stored)
    for (const [at, name] of names.entries())
      expect(found.get(`${idOf(stored[at]!)}/${name}`)!.equals((await whole(small(at))).content)).toBe(true)
  })

  test('a bundle has at most so many bytes, index and all; a larger record is refused', async () => {
    const gathered = gatherer()
    const name = 'large'
    const around = bundledBytes({ name, mediaType: 'application/octet-stream', length: 0 })
    const largest = sourceOf(seededBytes(1, GATHERED_BYTES_MAX - around), name)
    const { content } = await whole(largest)
    expect(packBundle([{ ...largest, bytes: content }]).length).toBeLessThanOrEqual(GATHERED_BYTES_MAX)
    await expect(gathered.put({ ...largest, length: largest.length + 1 })).rejects.toMatchObject({
      code: 'USAGE',
      next: 'put it singly, with putRecord',
    })
    const [alone, other] = await Promise.all([gathered.put(largest), gathered.put(small(1))])
    expect(idOf(alone)).not.toBe(idOf(other))
    expect((await readBack([alone])).get(`${idOf(alone)}/${name}`)!.equals(content)).toBe(true)
  })

  test('a bundle has at most so many records', async () => {
    const gathered = gatherer()
    const empty = (at: number) => sourceOf(new Uint8Array(0), `e${at}`)
    const stored = await Promise.all(
      Array.from({ length: GATHERED_RECORDS_MAX + 10 }, (_, at) => gathered.put(empty(at))),
    )
    expect(new Set(stored.slice(0, GATHERED_RECORDS_MAX).map(idOf)).size).toBe(1)
    expect(objectsPut()).toBe(2)
  })

  test('a source is read when there is room: two bundles of records are in memory, never more', async () => {
    const gathered = gatherer()
    const length = 60_000
    let held = 0
    let most = 0
    const source = (at: number): RecordSource => ({
      ...sourceOf(seededBytes(at + 1, length), `scan-${at}`),
      async *read() {
        held += length
        most = Math.max(most, held)
        yield seededBytes(at + 1, length)
      },
    })
    const stored = await Promise.all(
      Array.from({ length: 70 }, (_, at) => gathered.put(source(at)).finally(() => (held -= length))),
    )
    expect(most).toBeGreaterThan(GATHERED_BYTES_MAX)
    expect(most).toBeLessThanOrEqual(2 * GATHERED_BYTES_MAX)
    // 17 go into one bundle, one after the other in the order they came.
    expect(objectsPut()).toBe(5)
    expect(new Set(stored.slice(0, 17).map(idOf)).size).toBe(1)
    expect((await readBack(stored)).size).toBe(70)
  })

  test('a name that no bundle may have is refused before any record is', () => {
    for (const name of ['a\nb', '../up', 'x'.repeat(250)])
      expect(() => gatherRecords(net.ports, name, PROFILES.grid)).toThrow(/no name for a record/)
  })
})

describe('close', () => {
  test('waits for what was accepted, also for what waits for room, and refuses the rest', async () => {
    const gathered = gatherer()
    const slow = gated(sourceOf(seededBytes(1, 900_000), 'slow'))
    const ended: string[] = []
    const large = ['second', 'third'].map((name) => sourceOf(seededBytes(2, 900_000), name))
    const accepted = [slow.source, ...large, small(3)].map((source) =>
      gathered.put(source).then(({ name }) => ended.push(name)),
    )
    const closed = gathered.close().then(() => ended.push('closed'))
    await expect(gathered.put(small(5))).rejects.toMatchObject({ code: 'USAGE' })
    slow.open()
    await Promise.all([...accepted, closed])
    expect(ended).toHaveLength(5)
    expect(ended.at(-1)).toBe('closed')
    await gathered.close()
  })

  test('ends too when what it waits for fails', async () => {
    const gathered = gatherer()
    for (const node of net.nodes) node.isDown = true
    const failing = gathered.put(small(0))
    failing.catch(() => {})
    await gathered.close()
    await expect(failing).rejects.toMatchObject({ code: 'TOO_FEW_NODES' })
  })
})

async function whole(source: RecordSource): Promise<{ content: Buffer; length: number }> {
  const pieces: Uint8Array[] = []
  for await (const piece of source.read(0, source.length)) pieces.push(piece)
  return { content: Buffer.concat(pieces), length: source.length }
}
