import { syncBuiltinESMExports } from 'node:module'
import workers, { type WorkerOptions } from 'node:worker_threads'
import { emptyTally, KINDS, type Tally } from './tally.ts'

const { Worker } = workers
const counting = new URL('./disk-thread.ts', import.meta.url)
const known = new Map<string, Float64Array>()

/** The same thread as ever, with counters in it. */
class CountedWorker extends Worker {
  constructor(file: string | URL, options: WorkerOptions = {}) {
    const tally = new SharedArrayBuffer(KINDS.length * Float64Array.BYTES_PER_ELEMENT)
    const workerData = { ...(options.workerData as { path: string }), tally }
    super(file, { ...options, workerData, execArgv: ['--import', counting.href] })
    known.set(workerData.path, new Float64Array(tally))
  }
}

workers.Worker = CountedWorker
syncBuiltinESMExports()

/** @returns what the disk thread of the store at a path that ends with `path` did so far. */
export function diskTally(path: string): Tally {
  const [, counts] = [...known].findLast(([name]) => name.endsWith(path)) ?? []
  if (!counts) throw new Error(`no disk thread of ${path} was counted`)
  const tally = emptyTally()
  KINDS.forEach((kind, at) => {
    tally[kind] = counts[at]!
  })
  return tally
}
