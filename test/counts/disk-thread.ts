import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'
import { type Add, countCrypto, countTransactions, KINDS } from './tally.ts'

// Loaded into a node's disk thread before its own code: counts there what the thread asks of the disk, the index and the ciphers.
const { tally } = workerData as { tally?: SharedArrayBuffer }
if (tally) count(new Float64Array(tally))

function count(counts: Float64Array): void {
  const add: Add = (kind, amount) => {
    counts[KINDS.indexOf(kind)]! += amount
  }
  countCrypto(add)
  countTransactions(add)
  countFiles(add)
  parentPort?.on('message', () => add('messages', 1))
}

function countFiles(add: Add): void {
  const { fdatasyncSync, fsyncSync, writeSync, readSync } = fs
  fs.fdatasyncSync = (...args) => {
    add('syncs', 1)
    fdatasyncSync(...args)
  }
  fs.fsyncSync = (...args) => {
    add('syncs', 1)
    fsyncSync(...args)
  }
  fs.writeSync = ((...args: Parameters<typeof writeSync>) => {
    const length = writeSync(...args)
    add('writes', 1)
    add('writtenBytes', length)
    return length
  }) as typeof writeSync
  fs.readSync = ((...args: Parameters<typeof readSync>) => {
    const length = readSync(...args)
    add('reads', 1)
    add('readBytes', length)
    return length
  }) as typeof readSync
  syncBuiltinESMExports()
}
