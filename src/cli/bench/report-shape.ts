import { XcareError } from '../../errors.ts'
import type { ZodType } from '../../schema.ts'
import { text, uint, z } from '../../schema.ts'

/** First fields of every report. The version grows when a field changes its meaning or goes away. */
export const REPORT_FORMAT = 'xcare-bench-report'
/** The version this program writes. */
export const REPORT_VERSION = 1

const amount = z.number().nonnegative()
const count = uint()

const machine = z.strictObject({
  cpu: text(200),
  cores: count,
  memoryGiB: amount,
  kernel: text(200),
  node: text(40),
  fileSystem: text(40),
  freeGiB: amount,
  loadAverage: amount,
  fsyncMs: z.strictObject({ p50: amount, p99: amount }),
  ratesGBs: z.strictObject({ memcpy: amount, aes256gcm: amount, blake3: amount, sha256: amount }),
})

/** The machine of a report: what a figure must be read against. Rates are of one thread, in GB/s. */
export type Machine = z.infer<typeof machine>

const settings = z.strictObject({
  mode: z.enum(['quick', 'full']),
  shapes: z
    .array(z.strictObject({ k: count, n: count }))
    .min(1)
    .max(16),
  cells: z
    .array(z.strictObject({ k: count, n: count, bytes: count }))
    .min(1)
    .max(512),
  fragmentSize: count,
  nodes: count,
  profile: text(20),
  concurrency: count,
  ratePerSecond: amount.nullable(),
  repeats: count,
  stages: z.array(text(40)).max(32),
  seed: count,
})

/** What was asked for. Sizes in bytes; `cells` are the shapes and sizes put and got; `ratePerSecond` is null when the open loop chose a rate from what the closed loop reached. */
export type Settings = z.infer<typeof settings>

const figure = z.strictObject({
  id: text(160),
  group: text(40),
  label: text(200),
  unit: text(24),
  better: z.enum(['higher', 'lower']),
  shape: text(24).nullable(),
  bytes: count.nullable(),
  profile: text(20),
  samples: z.array(z.number()).min(1).max(1000),
  median: z.number(),
  min: z.number(),
  max: z.number(),
  mad: amount,
})

/** One measured quantity with all its repeats. `id` is the same in every report of the same settings. */
export type Figure = z.infer<typeof figure>

const latency = z.strictObject({
  id: text(160),
  label: text(200),
  load: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('closed'), inFlight: count }),
    z.strictObject({ kind: z.literal('open'), perSecond: amount }),
  ]),
  ...{ count, seconds: amount, perSecond: amount },
  ...{ mean: amount, p50: amount, p90: amount, p95: amount, p99: amount, p999: amount, max: amount },
  histogram: z.array(z.strictObject({ upToMs: amount, count })).max(400),
  errors: z.array(z.strictObject({ code: text(40), count })).max(40),
})

/** Latencies of one load, all rounds together, in ms. */
export type Latency = z.infer<typeof latency>

const timeline = z.strictObject({
  id: text(160),
  label: text(200),
  phases: z
    .array(z.strictObject({ name: text(40), what: text(200), ms: amount }))
    .min(1)
    .max(16),
})

/** Where the time of one operation goes, phase after phase; medians over the repeats. */
export type Timeline = z.infer<typeof timeline>

const target = z.strictObject({
  quantity: text(200),
  unit: text(24),
  better: z.enum(['higher', 'lower']),
  target: amount,
  stretch: amount.nullable(),
  figure: text(160).nullable(),
  measured: z.number().nullable(),
  verdict: z.enum(['stretch', 'hit', 'missed', 'not measured']),
  /** What profiles showed as the largest costs, where the target is missed. */
  reason: z.string().max(600).nullable().optional(),
})

/** One number the project set itself, and what became of it. */
export type Target = z.infer<typeof target>

const stage = z.strictObject({
  name: text(40),
  title: text(200),
  state: z.enum(['done', 'failed', 'left out']),
  seconds: amount,
  code: text(40).nullable(),
  message: z.string().max(1000).nullable(),
})

/** One stage of the run and how it ended. */
export type StageOutcome = z.infer<typeof stage>

/** The shape of `report.json`. Spec: docs/spec/bench-report.md. */
export const reportShape = z.strictObject({
  format: z.literal(REPORT_FORMAT),
  version: z.literal(REPORT_VERSION),
  createdAt: z.iso.datetime(),
  program: z.strictObject({ version: text(40), commit: text(64).nullable() }),
  complete: z.boolean(),
  seconds: amount,
  machine,
  settings,
  network: z.strictObject({
    nodes: count,
    guardians: count,
    anchors: count,
    proxies: count,
    processes: count,
  }),
  othersBusyCores: amount.nullable(),
  method: z.array(text(600)).max(40),
  stages: z.array(stage).max(40),
  figures: z.array(figure).max(4000),
  latencies: z.array(latency).max(400),
  timelines: z.array(timeline).max(100),
  targets: z.array(target).max(100),
})

/** A whole report. */
export type Report = z.infer<typeof reportShape>

/** Bytes of a report that `compare` reads, at most. */
export const REPORT_BYTES_MAX = 32 * 1024 * 1024

/** @returns the report in `content`. @throws XcareError MALFORMED when it is none of this version, naming `path` and the first flaw. */
export function parseReport(content: string, path: string): Report {
  let value: unknown
  try {
    value = JSON.parse(content)
  } catch (cause) {
    throw new XcareError('MALFORMED', `${path} is not JSON`, { cause })
  }
  const checked = (reportShape as ZodType<Report>).safeParse(value)
  if (checked.success) return checked.data
  const [issue] = checked.error.issues
  throw new XcareError(
    'MALFORMED',
    `${path} is not a bench report of version ${REPORT_VERSION}: ${issue?.path.join('.')}: ${issue?.message}`,
    { next: 'name a report.json that `npx xcare bench` wrote' },
  )
}

/** @returns the published JSON Schema (draft 2020-12) of `report.json`. */
export function reportJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(reportShape) as Record<string, unknown>
}
