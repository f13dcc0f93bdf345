import { createHash } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Tool } from './catalogue.ts'
import { absenceOf } from './install.ts'
import { reasonOf } from './measure.ts'
import { benchFile } from './program.ts'
import { runOnce } from './run-once.ts'
import { interleaved } from './statistics.ts'
import { writeWorkload } from './workload.ts'

const SECONDS_EACH = 0.25
const DEADLINE_MS = 120_000
/** Codes over GF(2^8) have no more shards than the field has elements. */
const BYTE_FIELD_SHARDS_MAX = 256

/** A code and the size of its shards. */
export interface Shape {
  k: number
  n: number
  shardBytes: number
}

/** The shapes every codec is run in. */
const SHAPES: Shape[] = [
  { k: 6, n: 12, shardBytes: 64 * 1024 },
  { k: 20, n: 40, shardBytes: 64 * 1024 },
  { k: 29, n: 80, shardBytes: 64 * 1024 },
  { k: 1000, n: 2000, shardBytes: 16 * 1024 },
]

/** A codec: its program takes the arguments that kernels/run.ts describes. */
export interface KernelEntry {
  id: string
  name: string
  needs: Tool[]
  shardsMax: number
  /** Command and first arguments. */
  command(tools: string): string[]
}

const inNode = (file: string, ...args: string[]) => [process.execPath, benchFile(file), ...args]
const wasm = (id: string, name: string): KernelEntry => ({
  id,
  name: `${name} (WASM)`,
  needs: ['packages'],
  shardsMax: BYTE_FIELD_SHARDS_MAX,
  command: () => inNode('kernels/wasm.mjs', name),
})

/** Every codec the bench knows. */
export const KERNELS: KernelEntry[] = [
  {
    id: 'xcare-kernel',
    name: 'XCARE (WASM SIMD)',
    needs: [],
    shardsMax: 65_536,
    command: () => inNode('kernels/xcare.ts'),
  },
  {
    id: 'isal',
    name: 'ISA-L 2.30 (native C)',
    needs: ['isal'],
    shardsMax: BYTE_FIELD_SHARDS_MAX,
    command: (tools) => [join(tools, 'isal-kernel')],
  },
  {
    id: 'zfec',
    name: 'zfec 1.6.0.0 (native C, Python)',
    needs: ['python'],
    shardsMax: BYTE_FIELD_SHARDS_MAX,
    command: (tools) => [join(tools, 'python', 'bin', 'python'), benchFile('kernels/zfec_run.py')],
  },
  wasm('digitaldefiance', '@digitaldefiance/reed-solomon-erasure.wasm'),
  wasm('subspace', '@subspace/reed-solomon-erasure.wasm'),
]

/** Rates of one codec in one shape, bytes of data a second; `why` says why there are none. */
export interface KernelSeries {
  kernel: string
  shape: Shape
  encode: number[]
  decode: number[]
  verified: boolean
  why: string | null
}

/** Runs every codec in every shape in turns; each run is a process of its own and must rebuild the same bytes. */
export async function measureKernels(
  kernels: KernelEntry[],
  options: { scratch: string; tools: string; repeats: number; seed: string; tell: (text: string) => void },
): Promise<KernelSeries[]> {
  const all: KernelSeries[] = []
  for (const shape of SHAPES) {
    const series = kernels.map((kernel) => ({ kernel, one: seriesOf(kernel, shape, options.tools) }))
    const { path, digest } = await writeWorkload(
      join(options.scratch, 'stripe'),
      shape.k * shape.shardBytes,
      `${options.seed} ${shape.k}/${shape.n}`,
    )
    for (const round of interleaved(series, options.repeats))
      for (const { kernel, one } of round) {
        if (one.why !== null) continue
        options.tell(`kernel ${shape.k}/${shape.n}: ${kernel.name}`)
        const run = await runKernel(kernel.command(options.tools), shape, path, digest).catch(reasonOf)
        if (typeof run === 'string') one.why = run
        else add(one, run)
      }
    all.push(...series.map(({ one }) => one))
  }
  return all
}

function seriesOf({ id, needs, shardsMax }: KernelEntry, shape: Shape, tools: string): KernelSeries {
  const absent = needs.map((tool) => absenceOf(tool, tools)).find((reason) => reason !== null) ?? null
  const why = absent ?? (shape.n > shardsMax ? `at most ${shardsMax} shards` : null)
  return { kernel: id, shape, encode: [], decode: [], verified: true, why }
}

interface KernelRun {
  encode: number
  decode: number
  isSame: boolean
}

function add(series: KernelSeries, { encode, decode, isSame }: KernelRun): void {
  series.encode.push(encode)
  series.decode.push(decode)
  series.verified &&= isSame
}

/** @throws Error when the program fails or takes too long. */
export async function runKernel(
  command: string[],
  { k, n, shardBytes }: Shape,
  input: string,
  digest: string,
  seconds: number = SECONDS_EACH,
): Promise<KernelRun> {
  const output = `${input}.rebuilt`
  rmSync(output, { force: true })
  const args = [input, output, k, n, shardBytes, seconds].map(String)
  const { encode, decode } = await runOnce([...command, ...args], DEADLINE_MS)
  const isSame = createHash('sha256').update(readFileSync(output)).digest('hex') === digest
  rmSync(output)
  return { encode: Number(encode), decode: Number(decode), isSame }
}
