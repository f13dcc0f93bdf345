import { putBundle, type StoredRecord } from '../../../light-node/put-record.ts'
import type { BenchClient } from '../client.ts'
import { patternRecord } from '../pattern.ts'
import { type Bench, type Stage, smallShape, TimeBudget } from '../stage.ts'

const RECORD_BYTES = 2048
const RECORDS = 10_000
const RECORDS_PER_BUNDLE = 1000
const READS = { quick: 10, full: 50 }
const BUDGET_SECONDS = { quick: 15, full: 40 }
/** Numbers of bundled records, apart from those put singly. */
const FIRST_NUMBER = 10_000_000

/** Many small records: packed a thousand to a bundle, and single ones read back out of it without the rest. */
export const bundles: Stage = {
  name: 'bundles',
  title: '10,000 records of 2 KiB through bundles',
  seconds: { quick: 5, full: 8 },
  needsNetwork: true,
  async run(bench) {
    const { settings, draft, network, progress } = bench
    const { client } = await network.connect(settings.profile, settings.fragmentSize)
    const shape = smallShape(settings)
    const budget = new TimeBudget(BUDGET_SECONDS[settings.mode])
    const all = RECORDS / RECORDS_PER_BUNDLE
    await putOne(client, shape, -1)
    let last: StoredRecord | null = null
    let done = 0
    for (; done < all && !budget.isOver; done++) {
      progress(done / all, `bundle ${done + 1} of ${all}`)
      const start = performance.now()
      last = await putOne(client, shape, done)
      draft.add(
        {
          id: 'bundles/rate',
          group: 'bundles',
          label: `put ${shape.k}/${shape.n}, records of 2 KiB, each sample a bundle of 1,000`,
          unit: 'records/s',
          better: 'higher',
          profile: settings.profile,
        },
        RECORDS_PER_BUNDLE / ((performance.now() - start) / 1000),
      )
    }
    if (done < all) draft.method.push(`bundles: the time was up after ${done} of ${all} bundles`)
    if (last) await readSome(bench, client, last, done - 1)
  },
}

const numberOf = (bundle: number, record: number) => FIRST_NUMBER + (bundle + 1) * RECORDS_PER_BUNDLE + record

function putOne(
  client: BenchClient,
  { k, n }: { k: number; n: number },
  bundle: number,
): Promise<StoredRecord> {
  const records = Array.from({ length: RECORDS_PER_BUNDLE }, (_, at) =>
    patternRecord(numberOf(bundle, at), RECORD_BYTES),
  )
  return putBundle(client.ports, `bench-bundle-${bundle + 1}`, records, client.profile(k, n))
}

async function readSome(
  { settings, draft }: Bench,
  client: BenchClient,
  stored: StoredRecord,
  bundle: number,
): Promise<void> {
  for (let read = 0; read < READS[settings.mode]; read++) {
    const record = (read * 7919) % RECORDS_PER_BUNDLE
    const number = numberOf(bundle, record)
    const start = performance.now()
    await client.getBundled({ number, bytes: RECORD_BYTES, objectId: stored.objectId })
    draft.add(
      {
        id: 'bundles/read',
        group: 'bundles',
        label: 'one record of 2 KiB out of a bundle of 1,000, opened anew each time',
        unit: 'ms',
        better: 'lower',
        profile: settings.profile,
      },
      performance.now() - start,
    )
  }
}
