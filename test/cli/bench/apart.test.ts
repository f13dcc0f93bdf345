import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { apart } from '../../../src/cli/bench/apart/apart.ts'
import { ReportDraft } from '../../../src/cli/bench/draft.ts'
import { settingsOf } from '../../../src/cli/bench/options.ts'
import type { Bench } from '../../../src/cli/bench/stage.ts'
import { FilledStore } from '../../../src/cli/bench/stages/filled-store.ts'
import { indexRows } from '../../../src/cli/bench/stages/index-rows.ts'
import { nodeIdOfKey } from '../../../src/ids.ts'
import { openStore } from '../../../src/storage-node/disk/open-store.ts'

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'xcare-apart-'))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

function bench(signal = new AbortController().signal) {
  const draft = new ReportDraft()
  const told: string[] = []
  const network = { scratch: dir } as Bench['network']
  const settings = settingsOf({ quick: true, repeat: '2' })
  const progress = (_: number, text: string) => void told.push(text)
  return { told, draft, bench: { settings, draft, network, progress, signal, checkpoint: async () => {} } }
}

describe('a stage in a process of its own', () => {
  test('brings its figures and its progress here, and leaves nothing on the disk', async () => {
    const { bench: given, draft, told } = bench()
    await apart(indexRows).run(given)
    const figures = new Map(draft.figures().map((figure) => [figure.id, figure]))
    expect([...figures.keys()].sort()).toEqual(
      ['bytes', 'cpu', 'last', 'open', 'rows'].map((name) => `index/${name}/100000`),
    )
    expect(figures.get('index/open/100000')!.samples).toHaveLength(2)
    // A packed place has 82 bytes, and a tree is never full.
    expect(figures.get('index/bytes/100000')!.median).toBeGreaterThan(82)
    expect(figures.get('index/bytes/100000')!.median).toBeLessThan(200)
    expect(figures.get('index/rows/100000')!.median).toBeGreaterThan(100)
    expect(told.at(-1)).toBe('opening the store')
    expect(readdirSync(dir)).toEqual([])
  }, 120_000)

  test('ends at once when the run is stopped', async () => {
    const stopping = new AbortController()
    const { bench: given, told } = bench(stopping.signal)
    const outcome = expect(apart(indexRows).run(given)).rejects.toThrow(/abort/)
    while (told.length < 2) await new Promise((resolve) => setTimeout(resolve, 10))
    stopping.abort()
    await outcome
    rmSync(join(dir, 'index-stage'), { recursive: true, force: true })
  }, 60_000)

  test('fails with what it said', async () => {
    const nobody = apart({ ...indexRows, name: 'losses' })
    await expect(nobody.run(bench().bench)).rejects.toMatchObject({
      code: 'INTERNAL',
      message: expect.stringContaining('losses'),
    })
  }, 60_000)
})

test('a filled store opens as that of a node does: every fragment and every byte known, nothing made again', () => {
  const path = join(dir, 'filled')
  const filled = new FilledStore(path)
  filled.fill(20_000)
  const { rows, volumeBytes, indexBytes } = filled
  filled.close()
  expect(rows).toBeGreaterThanOrEqual(20_000)
  // Fragments of 65 KiB, nothing between them to speak of.
  expect(volumeBytes / rows).toBeGreaterThan(66_560)
  expect(volumeBytes / rows).toBeLessThan(72_000)
  const audience = { network: 'bench', nodeId: nodeIdOfKey(new Uint8Array(32)) }
  const { store, close } = openStore({ path, quotaBytes: 2 * volumeBytes, audience })
  const { fragments, usedBytes, damaged } = store.status()
  expect({ fragments, damaged, ...store.recovery }).toEqual({
    ...{ fragments: rows, damaged: 0, rebuilt: false, tornBytes: 0 },
  })
  // With the log of the index at its largest.
  expect(usedBytes).toBe(volumeBytes + indexBytes + 4 * 1024 * 1024)
  close()
  filled.remove()
  expect(readdirSync(dir)).not.toContain('filled')
})
