import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { packBundle } from '../../src/fragment/bundle.ts'
import { PROFILES } from '../../src/fragment/profile.ts'
import type { ObjectId } from '../../src/ids.ts'
import { openObject } from '../../src/light-node/get.ts'
import { putBundle } from '../../src/light-node/put-record.ts'
import { readBundleEntries, readBundleRecord } from '../../src/light-node/range-read.ts'
import { sourceOf } from '../light-node/memory-network.ts'
import { seededBytes } from '../storage-node/made-object.ts'
import { bytesOf, type Cost, CountedNetwork, ofOp, type Passed } from './counted-network.ts'

const RECORD_BYTES = 2048
const RECORDS = Array.from({ length: 1000 }, (_, at) => ({
  name: `visit/${at}.json`,
  mediaType: 'application/json',
  bytes: seededBytes(at + 1, RECORD_BYTES),
}))

const net = await CountedNetwork.start()
afterAll(() => net.stop())

describe('a bundle of 1,000 records of 2 KiB', () => {
  let bundle: Cost<{ objectId: ObjectId }>
  let single: Cost<{ objectId: ObjectId }>
  beforeAll(async () => {
    const sources = RECORDS.map(({ name, bytes }) => ({
      ...sourceOf(bytes, name),
      mediaType: 'application/json',
    }))
    // Every store makes its first volume once in its life.
    await net.put(new Uint8Array(5000), PROFILES.grid)
    bundle = await net.measured(() => putBundle(net.ports, 'visits', sources, PROFILES.grid))
    single = await net.put(packBundle(RECORDS), PROFILES.grid)
  })

  test('is stored with the frames, streams, signatures and transactions of one object: singly it would take a thousand blocks', () => {
    const opsOf = (passed: Passed[]) =>
      passed
        .map(({ op }) => op)
        .filter((op) => op !== 'ACK')
        .sort()
    expect(bundle.streams.length).toBe(single.streams.length)
    expect(opsOf(bundle.sent)).toEqual(opsOf(single.sent))
    expect(opsOf(bundle.received)).toEqual(opsOf(single.received))
    expect(bundle.ledger).toEqual(single.ledger)
    expect(bundle.ledger.filter((name) => name === 'submit').length).toBe(1)
    expect(bundle.roundTrips).toBe(single.roundTrips)
    for (const kind of ['signatures', 'verifications', 'blake3Bytes', 'sealedBytes'] as const)
      expect(bundle.client[kind]).toBe(single.client[kind])
  })

  test('takes the disk of a node no more syncs than one object', () => {
    for (const { syncs, transactions } of bundle.disks.values()) {
      expect(syncs).toBeLessThanOrEqual(2)
      expect(transactions).toBeLessThanOrEqual(2)
    }
  })

  test('gives one record for a small part of its bytes: else who wants one visit reads a thousand', async () => {
    const read = await net.measured(async () => {
      const object = await openObject(net.ports, bundle.result.objectId, net.net.custodyKeyOf)
      const entries = await readBundleEntries(object)
      const record = await readBundleRecord(object, entries[777]!)
      object.close()
      return { name: entries[777]!.name, record }
    })
    expect(read.result.name).toBe('visit/777.json')
    expect(Buffer.compare(read.result.record, RECORDS[777]!.bytes)).toBe(0)
    expect(ofOp(read.received, 'FRAG')).toEqual([])
    // The index has some 60 bytes a record, and a record lies in one or two chunks of 16 KiB.
    expect(bytesOf(read.received)).toBeLessThan(packBundle(RECORDS).length / 10)
    // As a whole get; then the index, the rest of the index, the record.
    expect(read.roundTrips).toBeLessThanOrEqual(8)
    expect(read.ledger.length).toBeLessThanOrEqual(6)
  })
})
