import { describe, expect, it } from 'vitest'
import { equalBytes } from '../../src/bytes.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import { decodeHead } from '../../src/fragment/header.ts'
import { layoutOf } from '../../src/fragment/layout.ts'
import { ObjectWriter, type WriterOptions } from '../../src/fragment/writer.ts'
import { fragmentOf, sampleObject, seeded } from './sample-object.ts'

function options(length: number, over: Partial<WriterOptions> = {}): WriterOptions {
  const fixed = { objectId: new Uint8Array(32).fill(1), version: 1, ownerKey: new Uint8Array(32).fill(2) }
  const random = seeded(3)
  const layout = layoutOf(length, 6, 12)
  return {
    ...fixed,
    custodyKey: new Uint8Array(32).fill(3),
    layout,
    length,
    random,
    ...over,
  }
}

const usage = expect.objectContaining({ code: 'USAGE' })

describe('ObjectWriter', () => {
  it('makes the same fragments however the plaintext is handed over', async () => {
    const plain = seeded(9).bytes(900_001)
    const whole = await sampleObject(plain, 3, 5, { shardBytesMax: 16384 })
    for (const step of [1000, 16383, 16384, 16385, 100_000]) {
      const again = await sampleObject(plain, 3, 5, { shardBytesMax: 16384, step })
      expect(again.stripes.length).toBe(whole.stripes.length)
      expect(equalBytes(again.encoded, whole.encoded)).toBe(true)
      for (const [at, { stripe, bytes }] of again.stripes.entries()) {
        expect(stripe).toBe(at)
        expect(equalBytes(bytes, whole.stripes[at]!.bytes)).toBe(true)
      }
    }
  })

  it('puts the right head on every fragment', async () => {
    const object = await sampleObject(seeded(4).bytes(200_000), 2, 4, { shardBytesMax: 32768 })
    const { objectId, version, k, n, shardBytes, stripes } = object.manifest
    expect(object.stripes.length).toBe(stripes)
    for (let stripe = 0; stripe < stripes; stripe++)
      for (let column = 0; column < n; column++) {
        const { header } = decodeHead(fragmentOf(object, stripe, column).subarray(0, 1024))
        expect(header).toEqual({ objectId, version, stripe, column, k, n, shardBytes, stripes })
      }
  })

  it('uses returned buffers again without a trace of what was in them', async () => {
    const plain = seeded(4).bytes(3_000_000)
    const write = async (recycle: boolean) => {
      const writer = await ObjectWriter.create(options(plain.length))
      const seen = new Set<ArrayBufferLike>()
      const all: Uint8Array[] = []
      for (let at = 0; at < plain.length; at += 200_000)
        for (const { bytes } of [...writer.write(plain.subarray(at, at + 200_000))]) take(bytes)
      for (const { bytes } of writer.finish()) take(bytes)
      function take(bytes: Uint8Array): void {
        seen.add(bytes.buffer)
        all.push(bytes.slice())
        if (recycle) writer.recycle(bytes.fill(0xee))
      }
      return { all, buffers: seen.size }
    }
    const fresh = await write(false)
    const reused = await write(true)
    expect(fresh.buffers).toBe(fresh.all.length)
    expect(reused.buffers).toBeLessThanOrEqual(2)
    expect(reused.all.every((bytes, at) => equalBytes(bytes, fresh.all[at]!))).toBe(true)
  })

  it('refuses more or fewer bytes than promised', async () => {
    const long = await ObjectWriter.create(options(10))
    long.write(new Uint8Array(10))
    expect(() => long.write(new Uint8Array(1))).toThrow(usage)
    const short = await ObjectWriter.create(options(10))
    short.write(new Uint8Array(9))
    expect(() => short.finish()).toThrow(usage)
    expect(() => short.written()).toThrow(usage)
    expect(() => short.columnHashes()).toThrow(usage)
    short.write(new Uint8Array(1))
    expect(short.finish().length).toBe(1)
    expect(() => short.finish()).toThrow(usage)
    expect(() => short.write(new Uint8Array(0))).toThrow(usage)
    expect(() =>
      short.sealManifest({ name: 'a', mediaType: 'text/plain', length: 9, kind: 'record', createdMs: 0 }),
    ).toThrow(usage)
  })

  it.each([
    ['a layout of another length', { layout: layoutOf(5000, 6, 12) }],
    ['a short custody key', { custodyKey: new Uint8Array(31) }],
    ['a short owner key', { ownerKey: new Uint8Array(0) }],
    ['a long object id', { objectId: new Uint8Array(33) }],
  ])('refuses %s', async (_, over) => {
    await expect(ObjectWriter.create(options(10, over))).rejects.toEqual(usage)
  })

  it('leaves nothing of plaintext, custody key or dispersal secret in what is stored', async () => {
    const marker = new TextEncoder().encode('MARKER-OF-A-PATIENT-0123456789--')
    const plain = new Uint8Array(300_000)
    for (let at = 0; at < plain.length; at += marker.length)
      plain.set(marker.subarray(0, plain.length - at), at)
    const object = await sampleObject(plain, 3, 6, { shardBytesMax: 16384, name: 'MARKER-OF-A-PATIENT.txt' })
    const stored = [object.encoded, ...object.stripes.map(({ bytes }) => bytes)].map((bytes) =>
      Buffer.from(bytes),
    )
    const secrets = [
      marker.subarray(0, 12),
      object.custodyKey.subarray(0, 12),
      object.writer.secret32().subarray(0, 12),
    ]
    for (const secret of secrets) for (const bytes of stored) expect(bytes.indexOf(secret)).toBe(-1)
    expect(stored[0]!.indexOf('MARKER')).toBe(-1)
  })

  it('draws new keys for the same content', async () => {
    const plain = new Uint8Array(5000)
    const a = await sampleObject(plain, 2, 3, { seed: 1 })
    const b = await sampleObject(plain, 2, 3, { seed: 2 })
    expect(equalBytes(a.manifest.commitment, b.manifest.commitment)).toBe(false)
    expect(equalBytes(fragmentOf(a, 0, 0).subarray(1024), fragmentOf(b, 0, 0).subarray(1024))).toBe(false)
  })

  it('keeps memory small over 64 MiB', async () => {
    const length = 64 << 20
    const writer = await ObjectWriter.create(options(length, { random: systemRandom }))
    const piece = new Uint8Array(1 << 18)
    const before = used()
    let most = 0
    for (let at = 0; at < length; at += piece.length) {
      for (const { bytes } of writer.write(piece)) writer.recycle(bytes)
      most = Math.max(most, used() - before)
    }
    for (const { bytes } of writer.finish()) writer.recycle(bytes)
    expect(most).toBeLessThan(64 << 20)
  })
})

function used(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
