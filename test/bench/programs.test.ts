import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { absenceOf } from '../../bench/harness/install.ts'
import { KERNELS, runKernel } from '../../bench/harness/kernels.ts'
import { LIMITS, runLimit } from '../../bench/harness/limits.ts'
import { cpuSecondsOf } from '../../bench/harness/processes.ts'
import { benchFile, startProgram } from '../../bench/harness/program.ts'
import { writeWorkload } from '../../bench/harness/workload.ts'

const TOOLS = benchFile('../bench-report/tools')
const SHAPE = { k: 3, n: 6, shardBytes: 1024 }
const BLOCK_BYTES = 1 << 20

let scratch: string

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'xcare-bench-test-'))
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

test('a workload is the same for the same seed, and its digest is of what was written', async () => {
  const one = await writeWorkload(join(scratch, 'one'), 3_000_000, 'seed')
  const two = await writeWorkload(join(scratch, 'two'), 3_000_000, 'seed')
  const other = await writeWorkload(join(scratch, 'other'), 3_000_000, 'other seed')
  expect(two.digest).toBe(one.digest)
  expect(other.digest).not.toBe(one.digest)
})

/** What is not installed the bench names with its reason; our own is always there. */
const installed = KERNELS.filter(({ needs }) => needs.every((tool) => absenceOf(tool, TOOLS) === null))

test.each(installed)('codec $id gives back the same bytes', async ({ id, command }) => {
  const { path, digest } = await writeWorkload(join(scratch, id), SHAPE.k * SHAPE.shardBytes, id)
  expect(await runKernel(command(TOOLS), SHAPE, path, digest, 0.01)).toMatchObject({ isSame: true })
  expect(await runKernel(command(TOOLS), SHAPE, path, 'another digest', 0.01)).toMatchObject({
    isSame: false,
  })
})

test.each(LIMITS)('limit $id moves the bytes it says', async ({ id }) => {
  const series = { limit: id, runs: [], verified: true, failure: null }
  await runLimit(series, scratch, BLOCK_BYTES)
  expect(series).toMatchObject({ verified: true, runs: [{ bytes: expect.any(Number) }] })
})

test.runIf(process.platform === 'linux')(
  'a program that is never idle uses nothing while it is paused, answers when it is asked, and can be ended in its pause',
  async () => {
    const folder = join(scratch, 'busy')
    const program = startProgram(benchFile('../test/bench/store-child.ts'), folder)
    const { path, digest } = await writeWorkload(join(scratch, 'busy-bytes'), 10_000, 'busy')
    await program.ask({ do: 'start', scratch: folder, tools: '', variants: ['busy'], peer: null }, 5000)
    await program.ask({ do: 'load', path, recordBytes: null, sink: true }, 5000)
    const usedIn = async (ms: number) => {
      const before = cpuSecondsOf(program.roots)
      await new Promise((resolve) => setTimeout(resolve, ms))
      return cpuSecondsOf(program.roots) - before
    }
    const { token } = await program.ask({ do: 'put', variant: 'busy' }, 5000)
    expect(await usedIn(300)).toBeGreaterThan(0)
    program.pause()
    await usedIn(50)
    expect(await usedIn(300)).toBe(0)
    await program.ask({ do: 'get', variant: 'busy', token: token! }, 5000)
    expect((await program.ask({ do: 'digest' }, 5000)).digest).toBe(digest)
    program.pause()
    const [pid] = program.roots
    await program.end()
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(() => process.kill(pid!, 0)).toThrow()
  },
)
