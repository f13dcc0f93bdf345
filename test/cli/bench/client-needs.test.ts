import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ClientMemory } from '../../../src/cli/bench/machine/client-memory.ts'
import { NodeTurns } from '../../../src/cli/bench/machine/node-turns.ts'
import { TurnWatch } from '../../../src/cli/bench/machine/turns.ts'
import { systemClock } from '../../../src/sdk/clock.ts'

const MIB = 1024 * 1024

/** Uses the processor for so long, in one turn. */
function work(ms: number): void {
  const before = process.threadCpuUsage()
  for (;;) {
    const { user, system } = process.threadCpuUsage(before)
    if (user + system >= ms * 1000) return
  }
}

describe('memory of the client', () => {
  const held = () => process.memoryUsage.rss() / MIB

  test('counts what was held for a moment while it looked', async () => {
    const before = held()
    const memory = new ClientMemory()
    let room: Buffer | null = Buffer.alloc(200 * MIB, 1)
    await systemClock.sleep(30)
    room = null
    expect(room).toBeNull()
    expect(memory.end()).toBeGreaterThan(before + 150)
  })

  test.runIf(existsSync('/proc/self/clear_refs'))('does not count what was let go of before', () => {
    // A buffer that moves away with its last message is freed at once, whenever the collector runs.
    const room = new Uint8Array(400 * MIB).fill(1)
    const full = held()
    structuredClone(room.buffer, { transfer: [room.buffer] }).transfer(0)
    expect(held()).toBeLessThan(full - 300)
    expect(new ClientMemory().end()).toBeLessThan(full - 300)
  })
})

describe('turns of a thread', () => {
  test('tell the longest one, by what it used of the processor', async () => {
    const watch = new TurnWatch()
    await systemClock.sleep(20)
    work(60)
    await systemClock.sleep(20)
    const { longest, p99 } = watch.end()
    expect(longest).toBeGreaterThanOrEqual(59)
    expect(longest).toBeLessThan(90)
    expect(p99).toBeLessThanOrEqual(longest)
  })

  test('are short when there is much to do in small pieces, or when the thread only waits', async () => {
    const watch = new TurnWatch()
    for (let at = 0; at < 200; at++) {
      work(0.5)
      await new Promise((resolve) => setImmediate(resolve))
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 80)
    await systemClock.sleep(5)
    expect(watch.end().longest).toBeLessThan(30)
  })
})

describe('turns of storage nodes', () => {
  let dir: string
  const started: ChildProcess[] = []
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'xcare-turns-'))
    // Works for 40 ms in one turn, again and again.
    writeFileSync(
      join(dir, 'busy.mjs'),
      `setInterval(() => { const from = process.threadCpuUsage(); for (;;) { const { user } = process.threadCpuUsage(from); if (user >= 40000) break } }, 60)
       process.send('runs')`,
    )
  })
  afterEach(() => {
    for (const child of started.splice(0)) child.kill('SIGKILL')
    rmSync(dir, { recursive: true, force: true })
  })

  /** @returns a process that looks like the role `kind` from outside. */
  async function start(kind: string): Promise<ChildProcess> {
    const args = [join(dir, 'busy.mjs'), kind, 'run']
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    started.push(child)
    await new Promise((resolve) => child.once('message', resolve))
    return child
  }

  test('are those of the worst one, and the environment is as it was', async () => {
    const turns = new NodeTurns(join(dir, 'turns'))
    const before = { ...process.env }
    const node = await turns.around(() => start('node'))
    expect(process.env).toEqual(before)
    const seen = await turns.during([node.pid!], () => systemClock.sleep(400))
    expect(seen!.longest).toBeGreaterThanOrEqual(39)
    // Once more: each time of its own.
    const again = await turns.during([node.pid!], () => systemClock.sleep(400))
    expect(again!.longest).toBeGreaterThanOrEqual(39)
  })

  test('are not asked of processes that do not listen: the signal would end them', async () => {
    const turns = new NodeTurns(join(dir, 'turns'))
    const guardian = await turns.around(() => start('guardian'))
    const other = await start('node')
    expect(await turns.during([guardian.pid!, other.pid!], () => systemClock.sleep(50))).toBeNull()
    expect([guardian.exitCode, guardian.signalCode, other.exitCode, other.signalCode]).toEqual(
      Array(4).fill(null),
    )
  })
})
