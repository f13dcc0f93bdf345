import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SYSTEMS } from '../../bench/harness/catalogue.ts'
import { absenceOf } from '../../bench/harness/install.ts'
import { treeOf } from '../../bench/harness/processes.ts'
import { benchFile, type Program, startProgram } from '../../bench/harness/program.ts'
import { writeWorkload } from '../../bench/harness/workload.ts'

const TOOLS = benchFile('../bench-report/tools')
const DEADLINE_MS = 120_000
const VARIANT = '6/12'
const RECORD_BYTES = 2048
const MARK_BYTES = 64
const LOADS = [
  // Its shards are files of their own; those of records lie in the metadata.
  { what: 'an object', bytes: 3 << 20, recordBytes: null },
  { what: 'records', bytes: 20 * RECORD_BYTES, recordBytes: RECORD_BYTES },
]

let scratch: string
let program: Program

async function startSystem(id: string): Promise<void> {
  scratch = mkdtempSync(join(tmpdir(), 'xcare-bench-test-'))
  program = startProgram(benchFile(SYSTEMS.find((entry) => entry.id === id)!.program), scratch)
  await program.ask({ do: 'start', scratch, tools: TOOLS, variants: [VARIANT], peer: null }, DEADLINE_MS)
}

async function endSystem(): Promise<void> {
  await program.end()
  rmSync(scratch, { recursive: true, force: true })
}

/** Addresses of the servers that run, told by what they were started with. */
function servers(): string[] {
  return treeOf(program.roots).flatMap((pid) => {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    const at = words.indexOf('--address')
    return at < 0 ? [] : [words[at + 1]!]
  })
}

/** How many of them answer who does not speak TLS. */
async function serversInClear(): Promise<number> {
  const ask = (address: string) => fetch(`http://${address}/minio/health/live`)
  return (await Promise.all(servers().map(ask))).filter(({ ok }) => ok).length
}

/** Puts and gets, and looks for the beginning of what was put in all that lies on disk of the first thing. */
async function store({ bytes, recordBytes }: (typeof LOADS)[0]) {
  const { path, digest } = await writeWorkload(join(scratch, 'workload'), bytes, 'minio')
  await program.ask({ do: 'load', path, recordBytes, sink: true }, DEADLINE_MS)
  const { token = '' } = await program.ask({ do: 'put', variant: VARIANT }, DEADLINE_MS)
  await program.ask({ do: 'get', variant: VARIANT, token }, DEADLINE_MS)
  const back = await program.ask({ do: 'digest' }, DEADLINE_MS)
  const [first] = token.split(' ')
  const folders = globSync(`drive-*/${first}`, { cwd: scratch })
  const shards = folders.flatMap((folder) => globSync(`${folder}/**/{xl.meta,part.*}`, { cwd: scratch }))
  const mark = readFileSync(path).subarray(0, MARK_BYTES)
  return {
    folders: folders.length,
    isReadable: shards.some((shard) => readFileSync(join(scratch, shard)).includes(mark)),
    isSame: back.digest === digest,
  }
}

/** What is not installed the bench names with its reason. */
const isAbsent = absenceOf('minio', TOOLS) !== null

describe.skipIf(isAbsent)('the row of one MinIO process', () => {
  beforeAll(() => startSystem('minio'), DEADLINE_MS)
  afterAll(endSystem)

  test('is of one server, which speaks in the clear', async () => {
    expect(servers()).toHaveLength(1)
    expect(await serversInClear()).toBe(1)
  })

  test.each(LOADS)('is of $what not encrypted, in twelve folders', async (load) => {
    expect(await store(load)).toEqual({ folders: 12, isReadable: true, isSame: true })
  })
})

describe.skipIf(isAbsent)('the row of twelve MinIO processes', () => {
  beforeAll(() => startSystem('minio-cluster'), DEADLINE_MS)
  afterAll(endSystem)

  test('is of twelve servers, which speak TLS alone', async () => {
    expect(new Set(servers()).size).toBe(12)
    expect(await serversInClear()).toBe(0)
  })

  test.each(LOADS)('is of $what encrypted, in twelve folders', async (load) => {
    expect(await store(load)).toEqual({ folders: 12, isReadable: false, isSame: true })
  })
})
