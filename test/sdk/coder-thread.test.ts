import { afterAll, describe, expect, test } from 'vitest'
import { systemRandom } from '../../src/crypto/random.ts'
import { signingKeyFromSeed } from '../../src/crypto/sign.ts'
import { SHARE_AT, SHARE_BYTES } from '../../src/fragment/header.ts'
import { layoutOf } from '../../src/fragment/layout.ts'
import { buildManifest } from '../../src/fragment/manifest.ts'
import { rangeLeaves } from '../../src/fragment/range.ts'
import type { Coder, RangePart } from '../../src/light-node/coder.ts'
import { localCoder } from '../../src/light-node/coder-local.ts'
import { LEAF_BYTES } from '../../src/limits.ts'
import { startCoder } from '../../src/sdk/coder/coder-thread.ts'
import { codeOf } from './scratch.ts'

const coders: Coder[] = []
const started = () => {
  const coder = startCoder()
  coders.push(coder)
  return coder
}
afterAll(() => Promise.all(coders.map((coder) => coder.close())))

const PLAIN = Uint8Array.from({ length: 900_000 }, (_, at) => (at * 31 + (at >> 9)) & 0xff)
const [K, N] = [4, 7]

async function sealedBy(coder: Coder) {
  const owner = signingKeyFromSeed(systemRandom.bytes(32))
  const custodyKey = systemRandom.bytes(32)
  const layout = layoutOf(PLAIN.length, K, N)
  const named = { objectId: systemRandom.bytes(32), version: 1, ownerKey: owner.publicKey }
  const stream = await coder.seal({ ...named, custodyKey, layout, length: PLAIN.length })
  const stripes = [
    ...(await stream.write(PLAIN.slice(0, 500_000))),
    ...(await stream.write(PLAIN.slice(500_000))),
  ]
  const content = {
    name: 'a',
    mediaType: 'text/plain',
    length: PLAIN.length,
    kind: 'record',
    createdMs: 1,
  } as const
  const end = await stream.finish(content)
  stripes.push(...end.stripes)
  // What a stream made is its own until it is closed.
  const made = stripes.map(({ bytes }) => bytes.slice())
  stream.close()
  const manifest = buildManifest(end.written, { network: 'n', custodyEpoch: 1, sealed: end.sealed }, owner)
  const size = made[0]!.length / N
  const fragment = (stripe: number, column: number) => made[stripe]!.slice(column * size, (column + 1) * size)
  const shares = stripes.map((_, stripe) =>
    [0, 1, 2, 3].map((column) => fragment(stripe, column).slice(SHARE_AT, SHARE_AT + SHARE_BYTES)),
  )
  return { manifest, custodyKey, layout, shares, fragment }
}

describe('the thread that seals and opens', () => {
  test('what one thread sealed another opens, and so does this one', async () => {
    const object = await sealedBy(started())
    for (const coder of [started(), localCoder(systemRandom)]) {
      const opened = await coder.open(object.manifest, object.custodyKey, object.shares)
      const pieces: Uint8Array[] = []
      for (let stripe = 0; stripe < object.layout.stripes; stripe++) {
        const columns = Array.from({ length: N }, (_, at) => (at < 3 ? null : object.fragment(stripe, at)))
        pieces.push((await opened.openStripe(stripe, columns)).slice())
      }
      opened.close()
      expect(Buffer.concat(pieces).equals(PLAIN)).toBe(true)
    }
  })

  test('ranges, from leaves and from whole fragments of a stripe that lost its data columns', async () => {
    const { manifest, custodyKey, layout, shares, fragment } = await sealedBy(started())
    const opened = await started().open(manifest, custodyKey, shares)
    const [offset, length] = [215_000, 60_000]
    const parts: RangePart[] = rangeLeaves(layout, offset, length).map((run) => {
      const { stripe, column, firstLeaf, leafCount } = run
      if (stripe === 1) {
        const fragments = Array.from({ length: N }, (_, at) => (at < N - K ? null : fragment(stripe, at)))
        return { stripe, fragments }
      }
      const from = firstLeaf * LEAF_BYTES
      return { run, bytes: fragment(stripe, column).subarray(from, from + leafCount * LEAF_BYTES) }
    })
    const kinds = new Set(parts.map((part) => 'run' in part))
    expect(kinds.size).toBe(2)
    const read = await opened.openRange(offset, length, parts)
    expect(Buffer.from(read).equals(PLAIN.subarray(offset, offset + length))).toBe(true)
    expect(await codeOf(() => opened.openRange(0, 10, parts))).toBe('TOO_FEW_FRAGMENTS')
    expect(await codeOf(() => opened.openRange(PLAIN.length, 10, parts))).toBe('USAGE')
    opened.close()
  })

  test('lost fragments are made again byte for byte, here and in a thread, with or without memory of their own', async () => {
    const { manifest, fragment, layout } = await sealedBy(started())
    for (const coder of [started(), localCoder(systemRandom)]) {
      const rebuilding = await coder.rebuild(manifest)
      for (let stripe = 0; stripe < layout.stripes; stripe++) {
        // Those of one frame share its memory.
        const shared = Buffer.concat([fragment(stripe, 1), fragment(stripe, 4)])
        const half = shared.length / 2
        const known = Array.from({ length: N }, (_, at) =>
          at === 3 || at === 6 ? fragment(stripe, at) : null,
        )
        known[1] = new Uint8Array(shared.buffer, shared.byteOffset, half)
        known[4] = new Uint8Array(shared.buffer, shared.byteOffset + half, half)
        const made = await rebuilding.rebuild(stripe, [0, 2, 5], known)
        for (const [at, column] of [0, 2, 5].entries())
          expect(Buffer.from(made[at]!).equals(fragment(stripe, column)), `${stripe} ${column}`).toBe(true)
      }
      const few = Array.from({ length: N }, (_, at) => (at < K - 1 ? fragment(0, at) : null))
      expect(await codeOf(() => rebuilding.rebuild(0, [5], few))).toBe('TOO_FEW_FRAGMENTS')
      rebuilding.close()
    }
  })

  test('buffers that were given back do not wait for the collector when the stream is closed', async () => {
    const coder = localCoder(systemRandom)
    const layout = layoutOf(PLAIN.length, K, N)
    const [objectId, ownerKey, custodyKey] = [1, 2, 3].map((fill) => new Uint8Array(32).fill(fill))
    const job = { objectId: objectId!, ownerKey: ownerKey!, custodyKey: custodyKey!, version: 1, layout }
    const stream = await coder.seal({ ...job, length: PLAIN.length })
    const [first] = await stream.write(PLAIN.slice(0, 500_000))
    stream.recycle(first!.bytes)
    expect(first!.bytes.length).toBeGreaterThan(0)
    stream.close()
    expect(first!.bytes.length).toBe(0)
  })

  test('stripes are read where the thread made them, and made there again once they were given back or the stream is closed', async () => {
    const coder = started()
    const layout = layoutOf(PLAIN.length, K, N)
    const [objectId, ownerKey, custodyKey] = [1, 2, 3].map((fill) => new Uint8Array(32).fill(fill))
    const job = { objectId: objectId!, ownerKey: ownerKey!, custodyKey: custodyKey!, version: 1, layout }
    const sealed = async () => {
      const stream = await coder.seal({ ...job, length: PLAIN.length })
      const stripes = await stream.write(PLAIN.slice(0, 600_000))
      expect(stripes).toHaveLength(2)
      return { stream, places: stripes.map(({ bytes }) => bytes.byteOffset), stripes }
    }
    const first = await sealed()
    for (const { bytes } of first.stripes) expect(bytes.buffer).toBeInstanceOf(SharedArrayBuffer)
    const kept = first.stripes[0]!.bytes.slice()
    const second = await sealed()
    expect(second.places.some((place) => first.places.includes(place))).toBe(false)
    expect(first.stripes[0]!.bytes).toEqual(kept)
    first.stream.recycle(first.stripes[0]!.bytes)
    const third = await sealed()
    expect(third.places).toContain(first.places[0])
    expect(third.places).not.toContain(first.places[1])
    first.stream.close()
    expect((await sealed()).places).toContain(first.places[1])
  })

  test('errors keep their code on the way back', async () => {
    const object = await sealedBy(started())
    const wrong = systemRandom.bytes(32)
    const coder = started()
    expect(await codeOf(() => coder.open(object.manifest, wrong, object.shares))).toBe('INTEGRITY')
    const opened = await coder.open(object.manifest, object.custodyKey, object.shares)
    opened.close()
    expect(await codeOf(() => opened.openStripe(0, []))).toBe('INTERNAL')
  })

  test('whoever waits when it is closed is told, and whoever asks later', async () => {
    const coder = started()
    const waiting = codeOf(() => sealedBy(coder))
    await coder.close()
    expect(await waiting).toBe('INTERRUPTED')
    expect(await codeOf(() => sealedBy(coder))).toBe('INTERRUPTED')
  })
})
