import { CobblestoneOpener, CobblestoneSealer, cobblestoneLength } from '../../../crypto/cobblestone.ts'
import { blake3 } from '../../../crypto/hash.ts'
import { systemRandom } from '../../../crypto/random.ts'
import { splitSecret } from '../../../crypto/shamir.ts'
import { decodeShards, encodeShards } from '../../../fragment/erasure/erasure.ts'
import { sharedRoom } from '../../../fragment/erasure/stripe-room.ts'
import { fragmentBytesOf } from '../../../fragment/layout.ts'
import { dealWideShares, hasWideShares } from '../../../fragment/wide-shares.ts'
import { CHUNK_BYTES, CHUNK_TAG_BYTES } from '../../../limits.ts'
import type { ApartBench, ApartStage } from '../apart/apart.ts'
import { threadRate } from '../machine/probes.ts'
import { shapeId } from '../stage.ts'

import { measureCoders } from './coders.ts'

const SPAN_MS = { quick: 60, full: 200 }
const RANDOM_CALL_BYTES = 65_536
/** Wide shapes of the targets, with shards small enough for one stripe to fit the memory of a small machine. */
const WIDE_SHAPES = [
  { k: 1000, n: 2000, shardBytes: 16 * 1024 },
  { k: 16384, n: 32768, shardBytes: 1024 },
]

interface StripeShape {
  k: number
  n: number
  shardBytes: number
}

/** What one thread does to user data on its way out and in, each step alone. */
export const codec: ApartStage = {
  name: 'codec',
  title: 'seal, open, split, encode, hash and decode, one thread; coder threads',
  seconds: { quick: 8, full: 45 },
  async run(bench) {
    const { settings } = bench
    const quick = settings.mode === 'quick'
    const asked = settings.shapes.map((shape) => ({ ...shape, shardBytes: settings.fragmentSize }))
    const shapes: StripeShape[] = [...asked, ...(!quick && settings.shapes.length > 1 ? WIDE_SHAPES : [])]
    const works = shapes.map((shape) => ({ shape, steps: stepsOf(shape) }))
    for (let repeat = 0; repeat <= settings.repeats; repeat++)
      for (const [at, { shape, steps }] of works.entries()) {
        bench.progress(
          (repeat * works.length + at) / ((settings.repeats + 1) * works.length),
          `${shape.k}/${shape.n}`,
        )
        const rates = steps.map(({ step, bytes, work }) => ({
          step,
          rate: threadRate(bytes, work, SPAN_MS[quick ? 'quick' : 'full']),
        }))
        // The first round warms up: code is compiled, memory is touched.
        if (repeat > 0) addRates(bench, shape, rates)
        await new Promise((resolve) => setImmediate(resolve))
      }
    await measureCoders(bench)
  },
}

function addRates({ draft }: ApartBench, shape: StripeShape, rates: { step: string; rate: number }[]): void {
  const name = `${shape.k}/${shape.n}`
  for (const { step, rate } of rates)
    draft.add(
      {
        id: `stage/${step}/${shapeId(shape)}`,
        group: 'stage',
        label: `${step} ${name}, one thread`,
        unit: 'GB/s',
        better: 'higher',
        shape: name,
      },
      rate,
    )
  const secondsPerGB = ['seal', 'encode', 'hash'].map(
    (wanted) => 1 / (rates.find(({ step }) => step === wanted)?.rate ?? Number.NaN),
  )
  draft.add(
    {
      id: `stage/seal-encode-hash/${shapeId(shape)}`,
      group: 'stage',
      label: `seal, encode and hash ${name} together, one thread`,
      unit: 'GB/s',
      better: 'higher',
      shape: name,
    },
    1 / secondsPerGB.reduce((sum, seconds) => sum + seconds, 0),
  )
}

/** Steps of one stripe; `bytes` of user data each. */
function stepsOf({ k, n, shardBytes }: StripeShape): { step: string; bytes: number; work: () => void }[] {
  const bytes = k * shardBytes
  const data = randomBytes(bytes)
  const room = new Uint8Array(bytes)
  const shards = stripeOf(data, n, shardBytes)
  const [given, made] = [shards.slice(0, k), shards.slice(k)]
  encodeShards(given, made)
  // As many parity shards as data shards were lost, and no data shard is left.
  const left = [...given.map(() => null), ...made.map((shard, at) => (at < k ? shard : null))]
  // As a put and a get do: where the stripe lies, and into a buffer that is there already.
  const encode = { step: 'encode', bytes, work: () => encodeShards(given, made) }
  const decode = { step: 'decode', bytes, work: () => void decodeShards(left, k, n, shardBytes, room) }
  const steps = n - k >= k ? [encode, decode] : [encode]
  const fragment = randomBytes(fragmentBytesOf({ shardBytes }))
  const secret = systemRandom.bytes(32)
  const body = new Uint8Array(cobblestoneLength(bytes))
  return [
    { step: 'seal', bytes, work: () => void seal(data, body) },
    { step: 'open', bytes, work: opening(data, room) },
    {
      step: 'split',
      bytes,
      work: hasWideShares(n)
        ? () => void dealWideShares(k, n, systemRandom)
        : () => void splitSecret(secret, n, k),
    },
    {
      step: 'hash',
      bytes,
      work: () => {
        for (let column = 0; column < n; column++) blake3(fragment)
      },
    },
    ...steps,
  ]
}

/** Into a body that is there already, as a put does. @returns what an opener wants to be given. */
function seal(data: Uint8Array, body: Uint8Array): ConstructorParameters<typeof CobblestoneOpener> {
  const [key, salt, context] = [systemRandom.bytes(32), systemRandom.bytes(24), new Uint8Array(32)]
  const sealer = new CobblestoneSealer(key, salt, context)
  let [at, end] = [0, 0]
  for (; at + CHUNK_BYTES <= data.length; at += CHUNK_BYTES)
    end = sealer.sealInto(data.subarray(at, at + CHUNK_BYTES), false, body, end)
  sealer.sealInto(data.subarray(at), true, body, end)
  return [key, salt, sealer.commitment, context]
}

/** @returns work that opens `data` sealed, chunk after chunk into `room`, as a get does. */
function opening(data: Uint8Array, room: Uint8Array): () => void {
  const body = new Uint8Array(cobblestoneLength(data.length))
  const opener = new CobblestoneOpener(...seal(data, body))
  const size = CHUNK_BYTES + CHUNK_TAG_BYTES
  return () => {
    for (let index = 0; index * size < body.length; index++) {
      const chunk = body.subarray(index * size, (index + 1) * size)
      room.set(opener.openAt(index, chunk, chunk.length < size), index * CHUNK_BYTES)
    }
  }
}

/** @returns n shards of a stripe as a put makes them, each behind the head of its fragment; the first ones hold `data`. */
function stripeOf(data: Uint8Array, n: number, shardBytes: number): Uint8Array[] {
  const size = fragmentBytesOf({ shardBytes })
  const stripe = sharedRoom().take(n * size)
  const shards = Array.from({ length: n }, (_, at) =>
    stripe.subarray((at + 1) * size - shardBytes, (at + 1) * size),
  )
  for (let at = 0; at * shardBytes < data.length; at++)
    shards[at]!.set(data.subarray(at * shardBytes, (at + 1) * shardBytes))
  return shards
}

function randomBytes(length: number): Uint8Array {
  const out = new Uint8Array(length)
  for (let at = 0; at < length; at += RANDOM_CALL_BYTES)
    out.set(systemRandom.bytes(Math.min(RANDOM_CALL_BYTES, length - at)), at)
  return out
}
