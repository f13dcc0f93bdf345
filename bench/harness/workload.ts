import { createCipheriv, createHash } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'

const STEP_BYTES = 1 << 20

/** A file of bytes that no system can compress or has seen before, and what they hash to. */
export interface Workload {
  path: string
  bytes: number
  /** SHA-256, hex. */
  digest: string
}

/** Writes `bytes` pseudo-random bytes (AES-256-CTR under `seed`) to `path`: the same seed gives the same bytes anywhere. */
export async function writeWorkload(path: string, bytes: number, seed: string): Promise<Workload> {
  const key = createHash('sha256').update(seed).digest()
  const stream = createCipheriv('aes-256-ctr', key, Buffer.alloc(16))
  const hash = createHash('sha256')
  const file = createWriteStream(path)
  for (let left = bytes; left > 0; left -= STEP_BYTES) {
    const step = stream.update(Buffer.alloc(Math.min(STEP_BYTES, left)))
    hash.update(step)
    if (!file.write(step)) await once(file, 'drain')
  }
  file.end()
  await finished(file)
  return { path, bytes, digest: hash.digest('hex') }
}
