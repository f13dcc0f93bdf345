import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, expect, test } from 'vitest'
import { openStore } from '../../src/storage-node/disk/open-store.ts'
import { AUDIENCE, seededBytes } from './made-object.ts'
import { brokenPromise, type Promised } from './store-model.ts'
import { smallObject } from './writer-objects.ts'

const KILLS = Number(process.env.XCARE_KILLS ?? 20)
const SEEDS_PER_ROUND = 1000
const path = mkdtempSync(join(tmpdir(), 'xcare-kill-'))
afterAll(() => rmSync(path, { recursive: true, force: true }))

/** What one writer said before it was killed after its line number `lines`. */
async function killedAfter(
  lines: number,
  first: number,
): Promise<Map<number, Promised & { deleting: boolean }>> {
  const program = join(import.meta.dirname, 'killed-writer.ts')
  const child = spawn(process.execPath, [program, path, String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const said = new Map<number, Promised & { deleting: boolean }>()
  let count = 0
  for await (const line of createInterface({ input: child.stdout })) {
    const [what, seed, stripe] = line.split(' ') as [string, string, string]
    const known = said.get(Number(seed))
    const promise = known ?? {
      object: smallObject(Number(seed)),
      acked: new Set(),
      finished: false,
      deleted: false,
      deleting: false,
    }
    said.set(Number(seed), promise)
    if (what === 'acked') promise.acked.add(Number(stripe))
    else promise[what as 'finished' | 'deleted' | 'deleting'] = true
    // Lines that were written before the kill arrived still count.
    if (++count === lines) child.kill('SIGKILL')
  }
  expect(
    child.signalCode ?? (await new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)))),
  ).toBe('SIGKILL')
  return said
}

test(`${KILLS} kills in the middle of writing lose nothing that was acknowledged`, {
  timeout: 20_000 + KILLS * 3000,
}, async () => {
  const when = new Uint32Array(seededBytes(4, KILLS * 4).buffer)
  const finished: Promised[] = []
  for (let kill = 0; kill < KILLS; kill++) {
    const said = await killedAfter(1 + (when[kill]! % 200), 1 + kill * SEEDS_PER_ROUND)
    const { store, close } = openStore({ path, quotaBytes: 1e9, audience: AUDIENCE })
    for (const [seed, promise] of said) {
      const broken = brokenPromise(store, promise)
      if (!(promise.deleting && !promise.deleted)) expect(`${seed}: ${broken}`).toBe(`${seed}: null`)
      if (promise.finished && !promise.deleting) finished.push(promise)
    }
    const isLast = kill === KILLS - 1
    for (const promise of isLast ? finished : finished.slice(-20))
      expect(brokenPromise(store, promise)).toBe(null)
    close()
  }
  expect(finished.length).toBeGreaterThan(KILLS)
})
