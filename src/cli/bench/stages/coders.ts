import { systemRandom } from '../../../crypto/random.ts'
import { layoutOf } from '../../../fragment/layout.ts'
import type { StripeFragments } from '../../../fragment/writer.ts'
import type { Coder } from '../../../light-node/coder.ts'
import { startCoder } from '../../../sdk/coder/coder-thread.ts'
import type { ApartBench } from '../apart/apart.ts'
import { patternRecord } from '../pattern.ts'
import type { Settings } from '../report-shape.ts'
import { shapeId } from '../stage.ts'

const MIB = 1024 * 1024
const BYTES = { quick: 32 * MIB, full: 256 * MIB }
const THREADS = [1, 2]

/** Seals objects in one coder thread, then in two at once, as light nodes do; the fragments go nowhere. */
export async function measureCoders(bench: ApartBench): Promise<void> {
  const { settings, progress } = bench
  const bytes = BYTES[settings.mode]
  const coders = THREADS.map(() => startCoder())
  try {
    for (let repeat = 0; repeat <= settings.repeats; repeat++)
      for (const threads of THREADS) {
        progress(0.9, `${threads} coder threads`)
        const rates = await sealIn(coders.slice(0, threads), bytes, settings)
        // The first round warms up.
        if (repeat > 0) addRates(bench, threads, rates)
      }
  } finally {
    await Promise.all(coders.map((coder) => coder.close()))
  }
}

interface Rates {
  /** GB for a second of each thread's own processor time. */
  busy: number
  /** GB for a second of the clock. */
  clock: number
}

async function sealIn(coders: Coder[], bytes: number, { shapes, fragmentSize }: Settings): Promise<Rates> {
  const { k, n } = shapes[0]!
  const before = { all: process.cpuUsage(), main: process.threadCpuUsage() }
  const start = performance.now()
  await Promise.all(coders.map((coder) => sealOne(coder, bytes, layoutOf(bytes, k, n, fragmentSize))))
  const seconds = (performance.now() - start) / 1000
  const all = process.cpuUsage(before.all)
  const main = process.threadCpuUsage(before.main)
  // What this thread does meanwhile, making the record, is not theirs.
  const used = (all.user + all.system - main.user - main.system) / 1e6
  const gigabytes = (coders.length * bytes) / 1e9
  return { busy: gigabytes / (used / coders.length), clock: gigabytes / seconds }
}

async function sealOne(coder: Coder, length: number, layout: ReturnType<typeof layoutOf>): Promise<void> {
  const [objectId, custodyKey, ownerKey] = [0, 1, 2].map(() => systemRandom.bytes(32)) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ]
  const { name, mediaType, read } = patternRecord(1, length)
  const stream = await coder.seal({ objectId, version: 1, custodyKey, ownerKey, layout, length })
  const done = (stripes: StripeFragments[]) => {
    for (const { bytes } of stripes) stream.recycle(bytes)
  }
  try {
    // The next piece waits in the thread's queue while it works on one.
    let ahead = Promise.resolve<StripeFragments[]>([])
    for await (const plain of read(0, length)) {
      const next = stream.write(plain)
      done(await ahead)
      ahead = next
    }
    done(await ahead)
    await stream.finish({ name, mediaType, length, kind: 'record', createdMs: Date.now() })
  } finally {
    stream.close()
  }
}

function addRates({ draft, settings }: ApartBench, threads: number, { busy, clock }: Rates): void {
  const shape = settings.shapes[0]!
  const name = `${shape.k}/${shape.n}`
  const head = { group: 'stage', unit: 'GB/s', better: 'higher', shape: name } as const
  const what = `seal, encode and hash ${name} in ${threads} coder thread${threads > 1 ? 's' : ''}`
  draft.add(
    { ...head, id: `coders/${threads}/${shapeId(shape)}`, label: `${what}, their processor time` },
    busy,
  )
  draft.add(
    { ...head, id: `coders/${threads}/clock/${shapeId(shape)}`, label: `${what}, by the clock` },
    clock,
  )
}
