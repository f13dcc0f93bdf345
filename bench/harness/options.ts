import { parseArgs } from 'node:util'

const UNITS: Record<string, number> = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }
const OBJECT_BYTES_MAX = 1024 ** 3
const REPEATS_MAX = 100

/** What the command line says. */
export interface BenchOptions {
  /** Ids of systems, or the groups `limits` and `kernels`; empty for all. */
  only: string[]
  repeats: number
  /** Sizes of the objects, as written. */
  sizes: string[]
  /** How many records of 2 KiB; 0 for none. */
  records: number
  budgetSeconds: number
  /** Each system works so long under each kind of load before anything counts. */
  warmUpSeconds: number
  out: string
  seed: string
  install: boolean
  /** Put the tables into the page of the bench as well. */
  readme: boolean
}

/** How to call the bench. */
export const USAGE = `node bin/node24.mjs bench/peers.ts [options]
  --install          install every peer this machine can build (Kubo, MinIO, Tahoe-LAFS, zfec, ISA-L), then measure
  --readme           also put the tables into bench/README.md
  --only a,b         only these: xcare, helia, hypercore, kubo, tahoe, minio, minio-cluster, limits, kernels
  --repeats 5        runs of each; medians are shown
  --size 64MiB,256MiB  sizes of the objects
  --records 1000     records of 2 KiB; 0 for none
  --budget 40        seconds after which a slow system is not run again under the same load
  --warm-up 15       seconds that each system works before anything counts, objects and records apart
  --seed text        another seed gives other bytes
  --out DIR          where peers.json and peers.md go; bench-report otherwise`

/** @throws RangeError with a sentence when something cannot be understood. */
export function readOptions(args: string[]): BenchOptions {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string', default: '' },
      repeats: { type: 'string', default: '5' },
      size: { type: 'string', default: '64MiB,256MiB' },
      records: { type: 'string', default: '1000' },
      budget: { type: 'string', default: '40' },
      'warm-up': { type: 'string', default: '15' },
      out: { type: 'string', default: 'bench-report' },
      seed: { type: 'string', default: 'xcare' },
      install: { type: 'boolean', default: false },
      readme: { type: 'boolean', default: false },
    },
  })
  const sizes = values.size.split(',').filter(Boolean)
  for (const size of sizes) bytesOf(size)
  return {
    only: values.only.split(',').filter(Boolean),
    repeats: wholeNumber('repeats', values.repeats, 1, REPEATS_MAX),
    sizes,
    records: wholeNumber('records', values.records, 0, 100_000),
    budgetSeconds: wholeNumber('budget', values.budget, 1, 3600),
    warmUpSeconds: wholeNumber('warm-up', values['warm-up'], 0, 3600),
    out: values.out,
    seed: values.seed,
    install: values.install,
    readme: values.readme,
  }
}

/** @returns the bytes that `64MiB` and the like mean. @throws RangeError unless it is a whole number of KiB up to 1 GiB. */
export function bytesOf(size: string): number {
  const match = /^(\d+)\s?(KiB|MiB|GiB)$/.exec(size)
  const bytes = match ? Number(match[1]) * UNITS[match[2]!]! : 0
  if (bytes < 1 || bytes > OBJECT_BYTES_MAX)
    throw new RangeError(`--size ${size}: sizes are written 64MiB, at most 1GiB`)
  return bytes
}

function wholeNumber(name: string, text: string, min: number, max: number): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < min || value > max)
    throw new RangeError(`--${name} is a whole number from ${min} to ${max}`)
  return value
}
