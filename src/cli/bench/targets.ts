import { reasonFor } from './reasons.ts'
import type { Figure, Target } from './report-shape.ts'

interface Wanted {
  quantity: string
  unit: string
  better: 'higher' | 'lower'
  target: number
  stretch: number | null
  /** Begin of the figure's id; of several figures the one of the largest record counts. */
  figure: string
}

const higher = (quantity: string, unit: string, target: number, stretch: number, figure: string): Wanted => ({
  ...{ quantity, unit, better: 'higher', target, stretch, figure },
})
const lower = (
  quantity: string,
  unit: string,
  target: number,
  stretch: number | null,
  figure: string,
): Wanted => ({
  ...{ quantity, unit, better: 'lower', target, stretch, figure },
})

/** MB/s over one connection of the machine that the numbers below were set on: what was then measured, least and most. */
export const ASSUMED_MBS = { tcp: [2200, 3000], tls: [1300, 2100] } as const

/** The project's own numbers to reach on two cores shared by client and all nodes, as far as this program measures them. */
export const WANTED: readonly Wanted[] = [
  higher('encode 20/40, one thread', 'GB/s', 2.5, 3.5, 'stage/encode/20-40'),
  higher('encode 29/80, one thread', 'GB/s', 2, 2.5, 'stage/encode/29-80'),
  higher('encode 1000/2000, one thread', 'GB/s', 1.3, 1.7, 'stage/encode/1000-2000'),
  higher('encode 16384/32768, one thread', 'GB/s', 0.55, 0.8, 'stage/encode/16384-32768'),
  higher('decode 20/40, all data lost, one thread', 'GB/s', 1.5, 2.1, 'stage/decode/20-40'),
  higher('decode 1000/2000, all data lost, one thread', 'GB/s', 0.6, 0.8, 'stage/decode/1000-2000'),
  higher('seal, encode and hash 20/40, one thread', 'GB/s', 1.2, 1.5, 'stage/seal-encode-hash/20-40'),
  higher('seal, encode and hash 20/40, two coder threads', 'GB/s', 1.8, 2.2, 'coders/2/20-40'),
  higher('wire, one connection', 'MB/s', 900, 1200, 'stage/wire'),
  lower('wire, CPU of both ends', 'CPU-s/GB', 1.9, 1.4, 'stage/wire/cpu'),
  higher('put 20/40', 'MB/s', 200, 300, 'put/rate/20-40/'),
  lower('put 20/40, CPU of all processes', 'CPU-s/GB', 9, 6, 'put/cpu/all/20-40/'),
  higher('put 29/80', 'MB/s', 140, 220, 'put/rate/29-80/'),
  lower('put 29/80, CPU of all processes', 'CPU-s/GB', 12, 8, 'put/cpu/all/29-80/'),
  higher('get 20/40, no loss', 'MB/s', 350, 500, 'losses/whole/rate/20-40/'),
  lower('get 20/40, no loss, CPU of all processes', 'CPU-s/GB', 4.5, 3.5, 'losses/whole/cpu/20-40/'),
  higher('get 20/40, n - k columns lost', 'MB/s', 250, 400, 'losses/lost/rate/20-40/'),
  higher(
    'repair of a node that lost its disk, 20/40: fragments made again',
    'MB/s',
    150,
    300,
    'repair/rebuilt/20-40/',
  ),
  lower(
    'repair, 20/40: bytes read for a byte of k fragments a stripe',
    '×',
    1.2,
    1.05,
    'repair/reads/20-40/',
  ),
  // With 16 in flight and 1,000 a second a put takes 16 ms on average (Little's law): the times are those of one at a time.
  lower('4 KiB record put, one at a time, p50', 'ms', 5, 2, 'small/put/alone/p50'),
  lower('4 KiB record put, one at a time, p99', 'ms', 20, 10, 'small/put/alone/p99'),
  higher('4 KiB record puts, 16 in flight', 'records/s', 1000, 3000, 'small/put/closed/rate'),
  higher(
    '4 KiB record puts gathered into bundles, 16 in flight',
    'records/s',
    1000,
    3000,
    'small/put/gathered/rate',
  ),
  higher('10,000 records of 2 KiB through bundles', 'records/s', 5000, 20_000, 'bundles/rate'),
  higher('index inserts, last quarter of 1 M fragments', 'rows/s', 80_000, 250_000, 'index/last/1000000'),
  lower('open a store of 1 M fragments, used space known', 'ms', 2000, 500, 'index/open/1000000'),
  lower('peak memory of the client', 'MiB', 300, 220, 'memory/client'),
  lower('peak memory of a storage node', 'MiB', 256, 200, 'memory/node'),
  lower('network thread of the client, longest turn of a put', 'ms', 20, null, 'put/turn/longest/20-40/'),
  lower('network thread of the client, longest turn of a get', 'ms', 20, null, 'get/turn/longest/20-40/'),
  lower('network thread of a node, longest turn of a put', 'ms', 20, null, 'put/turn/node/longest/20-40/'),
  lower('network thread of a node, longest turn of a get', 'ms', 20, null, 'get/turn/node/longest/20-40/'),
]

/** @returns every target with its verdict, from the medians of `figures`. Figures measured over a network profile are held against none. */
export function judgeTargets(figures: readonly Figure[]): Target[] {
  return WANTED.map(({ figure: prefix, ...wanted }) => {
    const measured = figureFor(figures, prefix)
    const verdict = measured ? verdictOf(wanted, measured.median) : 'not measured'
    return {
      ...wanted,
      figure: measured?.id ?? null,
      measured: measured?.median ?? null,
      verdict,
      reason: verdict === 'missed' ? reasonFor(prefix) : null,
    }
  })
}

function figureFor(figures: readonly Figure[], prefix: string): Figure | null {
  const fitting = figures.filter(
    ({ id, profile }) =>
      profile === 'loopback' && (prefix.endsWith('/') ? id.startsWith(prefix) : id === prefix),
  )
  return fitting.sort((a, b) => (b.bytes ?? 0) - (a.bytes ?? 0))[0] ?? null
}

function verdictOf({ better, target, stretch }: Omit<Wanted, 'figure'>, value: number): Target['verdict'] {
  const reaches = (mark: number) => (better === 'higher' ? value >= mark : value <= mark)
  if (stretch !== null && reaches(stretch)) return 'stretch'
  return reaches(target) ? 'hit' : 'missed'
}
