import type { fingerprint } from '../../src/cli/bench/machine/fingerprint.ts'
import type { SystemEntry } from './catalogue.ts'
import type { KernelEntry, KernelSeries } from './kernels.ts'
import type { LimitEntry, LimitSeries } from './limits.ts'
import type { Load, Passage, Series } from './measure.ts'
import { median, range } from './statistics.ts'

/** Everything a run found; written as JSON and turned into tables. */
export interface Report {
  startedAt: string
  machine: ReturnType<typeof fingerprint>
  /** Load average of the machine when the run began. */
  loadAtStart: number[]
  repeats: number
  seed: string
  loads: Load[]
  limitEntries: LimitEntry[]
  limits: LimitSeries[]
  systemEntries: SystemEntry[]
  series: Series[]
  versions: Record<string, string>
  /** Systems without figures, and why. */
  absent: Record<string, string>
  kernelEntries: Omit<KernelEntry, 'command'>[]
  kernels: KernelSeries[]
}

/** Median, smallest and largest of some runs. */
export interface Spread {
  median: number
  min: number
  max: number
}

/** Figures of one row. Rates are in `unit` a second. */
export interface SystemRow {
  name: string
  runs: number
  /** Stored where the put began; null when that is never so. */
  localPut: Spread | null
  /** Stored where the put did not begin: on other nodes, or also on a second one. */
  remotePut: Spread
  get: Spread
  /** CPU seconds of all processes for a gigabyte of user data, or for 1,000 records. */
  remotePutCpu: number
  getCpu: number
  /** Cores that others used meanwhile, on average. */
  otherCores: number | null
}

/** A row without figures, and why. */
export interface AbsentRow {
  name: string
  why: string
}

const GIGA = 1e9
const MEGA = 1e6
const THOUSAND = 1e3

/** @returns what one series comes to, or why it has no figures. Bytes that were not the same make the whole row void. */
export function rowOf(series: Series, load: Load, { name, isPutLocal }: SystemEntry): SystemRow | AbsentRow {
  const title = series.variant ? `${name} ${series.variant}` : name
  const { samples } = series
  if (samples.some(({ verified }) => !verified))
    return { name: title, why: 'gave back other bytes than were put' }
  if (samples.length === 0) return { name: title, why: series.failure ?? 'was not run' }
  // All samples of a series have the same size.
  const { bytes } = samples[0]!
  const units = load.recordBytes === null ? bytes / MEGA : bytes / load.recordBytes
  const cpuUnits = load.recordBytes === null ? bytes / GIGA : units / THOUSAND
  const puts = samples.map(({ put }) => put)
  const gets = samples.map(({ get }) => get)
  const remote = isPutLocal ? samples.map(({ put, get }) => joined(put, get)) : puts
  const rates = (passages: Passage[]) => spreadOf(passages.map(({ seconds }) => units / seconds))
  const cpu = (passages: Passage[]) => median(passages.map(({ cpuSeconds }) => cpuSeconds / cpuUnits))
  const others = [...puts, ...gets].flatMap(({ otherCores }) => (otherCores === null ? [] : [otherCores]))
  return {
    name: bytes < load.bytes ? `${title} (${units} records)` : title,
    runs: samples.length,
    localPut: isPutLocal ? rates(puts) : null,
    remotePut: rates(remote),
    get: rates(gets),
    remotePutCpu: cpu(remote),
    getCpu: cpu(gets),
    otherCores: others.length > 0 ? median(others) : null,
  }
}

/** Figures of one limit, MB/s and CPU seconds a gigabyte, or why there are none. */
export function limitRowOf(
  { runs, verified, failure }: LimitSeries,
  { name }: LimitEntry,
): { name: string; rate: Spread; cpu: number } | AbsentRow {
  if (!verified) return { name, why: 'the bytes that arrived were not those that were sent' }
  if (runs.length === 0) return { name, why: failure ?? 'was not run' }
  return {
    name,
    rate: spreadOf(runs.map(({ bytes, seconds }) => bytes / MEGA / seconds)),
    cpu: median(runs.map(({ bytes, cpuSeconds }) => cpuSeconds / (bytes / GIGA))),
  }
}

function joined(put: Passage, get: Passage): Passage {
  return { seconds: put.seconds + get.seconds, cpuSeconds: put.cpuSeconds + get.cpuSeconds, otherCores: null }
}

function spreadOf(values: number[]): Spread {
  return { median: median(values), ...range(values) }
}
