import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { COMMIT_BYTES_MAX } from '../../../limits.ts'
import type { ApartStage } from '../apart/apart.ts'

const MIB = 1024 * 1024

/** What the disk gives to one file that is made durable commit by commit: the floor under every storage node. */
export const disk: ApartStage = {
  name: 'disk',
  title: 'append and fdatasync in commits of 4 MiB, one file',
  seconds: { quick: 2, full: 6 },
  async run({ settings, draft, scratch, progress }) {
    const bytes = (settings.mode === 'full' ? 128 : 32) * MIB
    for (let repeat = 0; repeat <= settings.repeats; repeat++) {
      progress(repeat / (settings.repeats + 1), `${bytes / MIB} MiB`)
      const { rate, cpu } = append(join(scratch, 'disk-stage'), bytes)
      // The first round lets the disk back its space.
      if (repeat === 0) continue
      draft.add(
        {
          id: 'stage/disk',
          group: 'stage',
          label: 'append and fdatasync, one file',
          unit: 'MB/s',
          better: 'higher',
        },
        rate,
      )
      draft.add(
        {
          id: 'stage/disk/cpu',
          group: 'stage',
          label: 'append and fdatasync, CPU',
          unit: 'CPU-s/GB',
          better: 'lower',
        },
        cpu,
      )
      await new Promise((resolve) => setImmediate(resolve))
    }
  },
}

function append(path: string, bytes: number): { rate: number; cpu: number } {
  const commit = new Uint8Array(COMMIT_BYTES_MAX).fill(0x5a)
  const file = openSync(path, 'w', 0o600)
  const before = process.cpuUsage()
  const start = performance.now()
  try {
    for (let at = 0; at < bytes; at += commit.length) {
      writeSync(file, commit)
      fdatasyncSync(file)
    }
    const seconds = (performance.now() - start) / 1000
    const { user, system } = process.cpuUsage(before)
    return { rate: bytes / 1e6 / seconds, cpu: (user + system) / 1e6 / (bytes / 1e9) }
  } finally {
    closeSync(file)
    rmSync(path, { force: true })
  }
}
