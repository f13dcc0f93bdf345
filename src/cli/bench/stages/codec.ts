import { CobblestoneSealer } from '../../../crypto/cobblestone.ts'
import { blake3 } from '../../../crypto/hash.ts'
import { systemRandom } from '../../../crypto/random.ts'
import { splitSecret } from '../../../crypto/shamir.ts'
import { decodeStripe, encodeStripe } from '../../../fragment/erasure/erasure.ts'
import { fragmentBytesOf } from '../../../fragment/layout.ts'
import { CHUNK_BYTES } from '../../../limits.ts'
import { threadRate } from '../machine/probes.ts'
import { type Bench, type Stage, shapeId } from '../stage.ts'

const SPAN_MS = { quick: 60, full: 200 }
const RANDOM_CALL_BYTES = 65_536
const COLUMNS_OF_BYTE_FIELD = 255
/** Shapes of the targets that no put makes yet, with shards small enough for one stripe to fit the memory of a small machine. */
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
export const codec: Stage = {
  name: 'codec',
  title: 'seal, split, encode, hash and decode, one thread',
  seconds: { quick: 8, full: 45 },
  needsNetwork: false,
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
  },
}

function addRates({ draft }: Bench, shape: StripeShape, rates: { step: string; rate: number }[]): void {
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
  const encode = { step: 'encode', bytes, work: () => void encodeStripe(data, k, n, shardBytes) }
  const parity = encodeStripe(data, k, n, shardBytes)
  const shards = Array.from({ length: n }, (_, at) =>
    at < k ? null : parity.subarray((at - k) * shardBytes, (at - k + 1) * shardBytes),
  )
  const decode = { step: 'decode', bytes, work: () => void decodeStripe(shards, k, n, shardBytes) }
  const steps = n - k >= k ? [encode, decode] : [encode]
  if (n > COLUMNS_OF_BYTE_FIELD) return steps
  const fragment = randomBytes(fragmentBytesOf({ shardBytes }))
  const secret = systemRandom.bytes(32)
  return [
    { step: 'seal', bytes, work: () => seal(data) },
    { step: 'split', bytes, work: () => void splitSecret(secret, n, k) },
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

function seal(data: Uint8Array): void {
  const sealer = new CobblestoneSealer(systemRandom.bytes(32), systemRandom.bytes(24), new Uint8Array(32))
  for (let at = 0; at + CHUNK_BYTES <= data.length; at += CHUNK_BYTES)
    sealer.seal(data.subarray(at, at + CHUNK_BYTES), false)
}

function randomBytes(length: number): Uint8Array {
  const out = new Uint8Array(length)
  for (let at = 0; at < length; at += RANDOM_CALL_BYTES)
    out.set(systemRandom.bytes(Math.min(RANDOM_CALL_BYTES, length - at)), at)
  return out
}
