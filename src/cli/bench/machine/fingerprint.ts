import { fork } from 'node:child_process'
import { readFileSync, statfsSync } from 'node:fs'
import { arch, cpus, loadavg, release, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import { XcareError } from '../../../errors.ts'
import type { Machine } from '../report-shape.ts'
import { round } from '../statistics.ts'
import { probeFsync, probeRates } from './probes.ts'

const WORKER = fileURLToPath(new URL('./_fingerprint-worker.ts', import.meta.url))

/** As `fingerprint`, in a process of its own: the probes take memory that would be seen as the client's. @throws XcareError INTERNAL */
export function fingerprintApart(folder: string): Promise<Machine> {
  const child = fork(WORKER, [folder], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  return new Promise((resolve, reject) => {
    child.once('message', (machine) => resolve(machine as Machine))
    child.once('error', reject)
    child.once('exit', () => reject(new XcareError('INTERNAL', 'the look at the machine ended by itself')))
  })
}

/** @param folder where the network of this run lies: its disk is the one that is probed. @returns what every figure must be read against. */
export function fingerprint(folder: string): Machine {
  const processors = cpus()
  return {
    cpu: processors[0]?.model.trim() || 'unknown',
    cores: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${process.platform} ${release()} ${arch()}`,
    node: process.version,
    fileSystem: fileSystemOf(folder),
    freeGiB: round(freeBytesOf(folder) / 2 ** 30),
    loadAverage: round(loadavg()[0]!),
    fsyncMs: probeFsync(folder),
    ratesGBs: probeRates(),
  }
}

/** @returns bytes that may still be written to the disk of `folder`. */
export function freeBytesOf(folder: string): number {
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize
}

/** The file system that `folder` lies in, from the longest mount point above it. */
function fileSystemOf(folder: string): string {
  let found = { point: '', type: 'unknown' }
  try {
    for (const line of readFileSync('/proc/self/mounts', 'utf8').split('\n')) {
      const [, point = '', type = ''] = line.split(' ')
      const isAbove = point !== '' && `${folder}/`.startsWith(point.endsWith('/') ? point : `${point}/`)
      if (isAbove && point.length >= found.point.length) found = { point, type }
    }
  } catch {
    // No /proc: the report says unknown.
  }
  return found.type
}
