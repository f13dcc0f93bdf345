import { join } from 'node:path'
import { systemRandom } from '../../../crypto/random.ts'
import { XcareError } from '../../../errors.ts'
import { nodeIdOfKey } from '../../../ids.ts'
import { LOG_BYTES } from '../../../storage-node/disk/catalog/statements.ts'
import { openStore } from '../../../storage-node/disk/open-store.ts'
import type { ApartBench, ApartStage } from '../apart/apart.ts'
import { round } from '../statistics.ts'
import { FilledStore } from './filled-store.ts'

const ROWS = { quick: 100_000, full: 1_000_000 }
const STEPS = 20
/** Of the steps: the index is at its largest then. */
const LAST_STEPS = 5

/** What the index of a storage node takes, and how long a store with that many fragments needs to open. */
export const indexRows: ApartStage = {
  name: 'index',
  title: 'index of a storage node: inserts, and opening a store',
  seconds: { quick: 3, full: 25 },
  async run(bench) {
    const rows = ROWS[bench.settings.mode]
    const path = join(bench.scratch, 'index-stage')
    const store = new FilledStore(path)
    try {
      fill(bench, store, rows)
      store.close()
      for (let repeat = 0; repeat < bench.settings.repeats; repeat++) open(bench, store, path, rows)
    } finally {
      store.remove()
    }
  },
}

function fill({ draft, progress }: ApartBench, store: FilledStore, rows: number): void {
  const head = { group: 'index', unit: 'rows/s', better: 'higher' } as const
  const before = process.threadCpuUsage()
  const start = performance.now()
  let lastFrom = { ms: start, rows: 0 }
  for (let step = 1; step <= STEPS; step++) {
    if (step > STEPS - LAST_STEPS && lastFrom.rows === 0)
      lastFrom = { ms: performance.now(), rows: store.rows }
    progress(step / (STEPS + 4), `${store.rows} rows`)
    store.fill(Math.ceil((rows * step) / STEPS))
  }
  const end = performance.now()
  const { user, system } = process.threadCpuUsage(before)
  const name = `${rows / 1000} k fragments`
  draft.add(
    { ...head, id: `index/rows/${rows}`, label: `index inserts, 0 to ${name}` },
    (store.rows / (end - start)) * 1000,
  )
  draft.add(
    { ...head, id: `index/last/${rows}`, label: `index inserts, the last quarter of ${name}` },
    ((store.rows - lastFrom.rows) / (end - lastFrom.ms)) * 1000,
  )
  draft.add(
    {
      ...head,
      id: `index/cpu/${rows}`,
      label: `index inserts to ${name}, CPU`,
      unit: 'CPU-us/row',
      better: 'lower',
    },
    (user + system) / store.rows,
  )
  draft.add(
    { ...head, id: `index/bytes/${rows}`, label: `index of ${name}`, unit: 'bytes/row', better: 'lower' },
    store.indexBytes / store.rows,
  )
}

/** Opens the store as a storage node does when it starts. @throws XcareError INTEGRITY when it does not know what lies in it. */
function open({ draft, progress }: ApartBench, filled: FilledStore, path: string, rows: number): void {
  progress((STEPS + 2) / (STEPS + 4), 'opening the store')
  const audience = { network: 'bench', nodeId: nodeIdOfKey(systemRandom.bytes(32)) }
  const start = performance.now()
  const { store, close } = openStore({ path, quotaBytes: 2 * filled.volumeBytes, audience })
  const { fragments, usedBytes } = store.status()
  const ms = performance.now() - start
  const isRebuilt = store.recovery.rebuilt
  close()
  // The log of the index counts with its largest size.
  const isExact = usedBytes === filled.volumeBytes + filled.indexBytes + LOG_BYTES
  if (isRebuilt || fragments !== filled.rows || !isExact)
    throw new XcareError(
      'INTEGRITY',
      `the store has ${filled.rows} fragments and ${filled.volumeBytes} bytes and says ${fragments} and ${usedBytes}`,
    )
  draft.add(
    {
      id: `index/open/${rows}`,
      group: 'index',
      label: `open a store of ${rows / 1000} k fragments, ${round(filled.volumeBytes / 1e9)} GB, and say its used space`,
      unit: 'ms',
      better: 'lower',
    },
    ms,
  )
}
