import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { aead } from '../../../crypto/aead.ts'
import { blake3, sha256 } from '../../../crypto/hash.ts'
import { systemRandom } from '../../../crypto/random.ts'
import type { Machine } from '../report-shape.ts'
import { percentile, round } from '../statistics.ts'

const FSYNC_WRITES = 100
const PAGE_BYTES = 4096
const COPY_BYTES = 16 * 1024 * 1024
const CALL_BYTES = 64 * 1024
const TAG_BYTES = 16
const PROBES = 3
const PROBE_MS = 60

/** How long the disk of `folder` takes to make an appended page durable: 4 KiB append and fdatasync, a hundred times. */
export function probeFsync(folder: string): Machine['fsyncMs'] {
  const scratch = mkdtempSync(join(folder, 'fsync-'))
  const file = openSync(join(scratch, 'probe'), 'w')
  const page = new Uint8Array(PAGE_BYTES).fill(0xa5)
  try {
    const times = Array.from({ length: FSYNC_WRITES }, () => {
      const start = performance.now()
      writeSync(file, page)
      fdatasyncSync(file)
      return performance.now() - start
    }).sort((a, b) => a - b)
    return { p50: round(percentile(times, 0.5)), p99: round(percentile(times, 0.99)) }
  } finally {
    closeSync(file)
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** Rates of one thread for what every record passes through; best of three. */
export function probeRates(): Machine['ratesGBs'] {
  const from = Buffer.alloc(COPY_BYTES, 1)
  const to = Buffer.alloc(COPY_BYTES)
  const bytes = systemRandom.bytes(CALL_BYTES)
  const key = aead().keyed(systemRandom.bytes(32))
  const room = new Uint8Array(CALL_BYTES + TAG_BYTES)
  const nonce = new Uint8Array(12)
  const counter = new DataView(nonce.buffer)
  let sealed = 0
  return {
    memcpy: rateOf(COPY_BYTES, () => from.copy(to)),
    aes256gcm: rateOf(CALL_BYTES, () => {
      counter.setUint32(8, ++sealed)
      key.sealInto(nonce, bytes, room, 0)
    }),
    blake3: rateOf(CALL_BYTES, () => blake3(bytes)),
    sha256: rateOf(CALL_BYTES, () => sha256(bytes)),
  }
}

function rateOf(bytes: number, work: () => unknown): number {
  // Once to warm up: code is compiled, memory is touched.
  threadRate(bytes, work, PROBE_MS)
  return round(Math.max(...Array.from({ length: PROBES }, () => threadRate(bytes, work, PROBE_MS))))
}

/**
 * GB a second of this thread's own processor time, over at least `spanMs` of the clock: what other programs take of the core is not in it.
 * @param bytes that one call of `work` handles.
 */
export function threadRate(bytes: number, work: () => unknown, spanMs: number): number {
  const start = performance.now()
  const before = process.threadCpuUsage()
  let calls = 0
  let used = 0
  while (calls === 0 || used === 0 || performance.now() - start < spanMs) {
    work()
    calls++
    const { user, system } = process.threadCpuUsage(before)
    used = user + system
  }
  return (calls * bytes) / 1e3 / used
}
