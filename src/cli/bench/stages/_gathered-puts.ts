import type { Profile } from '../../../fragment/profile.ts'
import type { BenchClient, BundledRecord } from '../client.ts'
import { closedLoop } from '../load/generate.ts'
import type { Bench } from '../stage.ts'
import { rounds } from './_rounds.ts'

/** As the load of records that are put singly, but for the number: how long it takes is what bounds it. */
const ROUNDS = { quick: { count: 20_000, seconds: 2 }, full: { count: 60_000, seconds: 6 } }
const WARM_UP_TURNS = 2
const READ_BACK = 8

/** Puts records gathered into bundles, as many in flight as when each is an object, and reads some back out of theirs. */
export async function gatheredPuts(
  bench: Bench,
  client: BenchClient,
  profile: Profile,
  { label, bytes }: { label: string; bytes: number },
): Promise<void> {
  const { concurrency: inFlight, mode } = bench.settings
  const put = client.gathering(profile)
  const kept: BundledRecord[] = []
  const once = async () => void kept.push(await put(bytes))
  await closedLoop({ inFlight, count: WARM_UP_TURNS * inFlight, seconds: 5 }, once)
  await rounds(
    bench,
    {
      id: 'small/put/gathered',
      label: `put ${label}, gathered into bundles, ${inFlight} in flight`,
      load: { kind: 'closed', inFlight },
    },
    () => closedLoop({ inFlight, ...ROUNDS[mode] }, once),
  )
  for (let read = 0; read < READ_BACK; read++)
    await client.getBundled(kept[Math.floor((read * kept.length) / READ_BACK)]!)
}
