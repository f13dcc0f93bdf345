import { XcareError } from '../../errors.ts'
import { layoutOf } from '../../fragment/layout.ts'
import { COLUMNS_MAX, OBJECT_BYTES_MAX, SHARD_BYTES_MAX, SHARD_STEP_BYTES } from '../../limits.ts'
import { networkProfileNamed } from './proxy/profiles.ts'
import type { Settings } from './report-shape.ts'

const KIB = 1024
const MIB = KIB * KIB
const UNITS: Record<string, number> = { '': 1, B: 1, KIB, MIB, GIB: KIB * MIB, K: KIB, M: MIB, G: KIB * MIB }
const SIZE_MIN = 2 * KIB
const SIZE_MAX = KIB * MIB
const RANGE_FACTOR = 4
const SIZES_MAX = 32
/** Size at which shapes are compared, at most. */
const BESIDE_BYTES_MAX = 64 * MIB

/** What the command line gives; commander leaves out what was not named. */
export interface BenchOptions {
  quick?: boolean
  size?: string
  k?: string
  n?: string
  fragmentSize?: string
  nodes?: string
  profile?: string
  concurrency?: string
  rate?: string
  repeat?: string
  stages?: string
  faults?: string
}

/** @param text such as `4KiB`, `64MiB` or `1GiB`. @returns bytes. @throws XcareError USAGE */
export function parseSize(text: string): number {
  const [, digits, unit] = /^(\d{1,10}) ?([a-z]*)$/i.exec(text.trim()) ?? []
  const factor = unit === undefined ? undefined : UNITS[unit.toUpperCase()]
  if (digits === undefined || factor === undefined)
    throw new XcareError('USAGE', `"${text.slice(0, 40)}" is not a size`, {
      next: 'write for example 4KiB, 64MiB or 1GiB',
    })
  return Number(digits) * factor
}

/**
 * @param text one size, a list with commas, or ranges `FROM..TO` in steps of a factor of four (`FROM..TO*2` for another factor).
 * @returns bytes, ascending, each once. @throws XcareError USAGE below 2 KiB, above 1 GiB, or for more than 32 sizes.
 */
export function parseSizes(text: string): number[] {
  const sizes = [...new Set(text.split(',').flatMap(rangeOf))].sort((a, b) => a - b)
  const outside = sizes.find((size) => size < SIZE_MIN || size > SIZE_MAX)
  if (outside !== undefined)
    throw new XcareError('USAGE', `--size goes from 2 KiB to 1 GiB, not ${sizeLabel(outside)}`)
  if (sizes.length > SIZES_MAX)
    throw new XcareError('USAGE', `at most ${SIZES_MAX} sizes in one run, not ${sizes.length}`)
  return sizes
}

function rangeOf(text: string): number[] {
  const [, from, to, step] = /^([^.*]+)\.\.([^.*]+)(?:\*(\d{1,3}))?$/.exec(text) ?? []
  if (from === undefined || to === undefined) return [parseSize(text)]
  const factor = Number(step ?? RANGE_FACTOR)
  const [first, last] = [parseSize(from), parseSize(to)]
  if (factor < 2 || first < 1 || first > last)
    throw new XcareError('USAGE', `"${text.slice(0, 40)}" is not a range of sizes`, {
      next: 'write for example 4KiB..64MiB, or 4KiB..64MiB*2 for every power of two',
    })
  const sizes: number[] = []
  for (let size = first; size < last; size *= factor) sizes.push(size)
  return [...sizes, last]
}

/** @returns bytes as a person writes them in `--size`. */
export function sizeLabel(bytes: number): string {
  const unit = bytes >= KIB * MIB ? 'GiB' : bytes >= MIB ? 'MiB' : bytes >= KIB ? 'KiB' : 'B'
  return `${Number((bytes / UNITS[unit.toUpperCase()]!).toFixed(2))} ${unit}`
}

/** Stages that can be chosen with `--stages`, in the order they run. */
export const STAGE_NAMES = [
  'codec',
  'disk',
  'index',
  'wire',
  'passages',
  'amplification',
  'small',
  'sweep',
  'bundles',
  'profiles',
  'cuts',
  'repair',
  'losses',
] as const
/** One of them. */
export type StageName = (typeof STAGE_NAMES)[number]

const QUICK_STAGES: StageName[] = [
  'codec',
  'disk',
  'index',
  'wire',
  'passages',
  'amplification',
  'small',
  'bundles',
  'repair',
  'losses',
]
const QUICK_SIZES = [64 * KIB, 64 * MIB]
const FULL_SIZES = [4 * KIB, 64 * KIB, MIB, 16 * MIB, 64 * MIB, 256 * MIB]

/** @returns the settings of a run. @throws XcareError USAGE naming the option that is wrong. */
export function settingsOf(options: BenchOptions): Settings {
  const quick = options.quick === true
  const fragmentSize = options.fragmentSize === undefined ? SHARD_BYTES_MAX : parseSize(options.fragmentSize)
  if (
    fragmentSize < SHARD_STEP_BYTES ||
    fragmentSize > SHARD_BYTES_MAX ||
    fragmentSize % SHARD_STEP_BYTES !== 0
  )
    throw new XcareError(
      'USAGE',
      `--fragment-size is a multiple of ${SHARD_STEP_BYTES} bytes, at most ${sizeLabel(SHARD_BYTES_MAX)}`,
    )
  const shapes = shapesOf(options, quick)
  const sizes = options.size === undefined ? (quick ? QUICK_SIZES : FULL_SIZES) : parseSizes(options.size)
  const settings: Settings = {
    mode: quick ? 'quick' : 'full',
    shapes,
    cells: cellsOf(shapes, sizes, options.size !== undefined),
    fragmentSize,
    nodes: wholeNumber('--nodes', options.nodes, 12, 2, 64),
    profile: networkProfileNamed(options.profile ?? 'loopback').name,
    concurrency: wholeNumber('--concurrency', options.concurrency, 16, 1, 256),
    ratePerSecond: options.rate === undefined ? null : wholeNumber('--rate', options.rate, 1, 1, 100_000),
    repeats: wholeNumber('--repeat', options.repeat, quick ? 3 : 5, 1, 100),
    stages: stagesOf(options.stages, quick),
    seed: wholeNumber('--faults', options.faults, 1, 0, 2 ** 31),
  }
  for (const { k, n, bytes } of settings.cells)
    layoutOf(Math.min(bytes, OBJECT_BYTES_MAX), k, n, fragmentSize)
  return settings
}

/** Sizes that were asked for are measured with every shape; else the first shape sweeps them all and the others stand beside it at one size. */
function cellsOf(shapes: Settings['shapes'], sizes: number[], all: boolean): Settings['cells'] {
  const beside = sizes.filter((bytes) => bytes <= BESIDE_BYTES_MAX).slice(-1)
  return shapes.flatMap((shape, at) =>
    (all || at === 0 ? sizes : beside).map((bytes) => ({ ...shape, bytes })),
  )
}

function shapesOf({ k, n }: BenchOptions, quick: boolean): Settings['shapes'] {
  if (k === undefined && n === undefined)
    return [{ k: 20, n: 40 }, { k: 6, n: 12 }, ...(quick ? [] : [{ k: 29, n: 80 }])]
  if (k === undefined || n === undefined)
    throw new XcareError('USAGE', '--k and --n belong together', { next: 'write for example --k 6 --n 12' })
  return [{ k: wholeNumber('--k', k, 0, 2, COLUMNS_MAX - 1), n: wholeNumber('--n', n, 0, 3, COLUMNS_MAX) }]
}

function stagesOf(text: string | undefined, quick: boolean): StageName[] {
  if (text === undefined) return quick ? QUICK_STAGES : [...STAGE_NAMES]
  const wanted = text.split(',').map((name) => name.trim())
  const unknown = wanted.find((name) => !STAGE_NAMES.some((known) => known === name))
  if (unknown !== undefined)
    throw new XcareError('USAGE', `there is no stage "${unknown.slice(0, 40)}"`, {
      next: `choose from ${STAGE_NAMES.join(', ')}`,
    })
  return STAGE_NAMES.filter((name) => wanted.includes(name))
}

function wholeNumber(
  option: string,
  text: string | undefined,
  otherwise: number,
  min: number,
  max: number,
): number {
  if (text === undefined) return otherwise
  const value = Number(text)
  if (/^\d{1,10}$/.test(text) && value >= min && value <= max) return value
  throw new XcareError(
    'USAGE',
    `${option} is a whole number from ${min} to ${max}, not "${text.slice(0, 40)}"`,
  )
}
