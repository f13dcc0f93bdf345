import { CobblestoneSealer } from '../../crypto/cobblestone.ts'
import { blake3 } from '../../crypto/hash.ts'
import { systemRandom } from '../../crypto/random.ts'
import { splitSecret } from '../../crypto/shamir.ts'
import { encodeStripe } from '../../fragment/erasure/erasure.ts'
import { fragmentBytesOf, type Layout } from '../../fragment/layout.ts'
import { CHUNK_BYTES } from '../../limits.ts'
import { round } from './machine.ts'

/** Seconds one thread needs for each stage of a put of `bytes`, apart from network and disk. */
export interface Stages {
  sealSeconds: number
  splitSeconds: number
  encodeSeconds: number
  hashSeconds: number
}

/** Measures the stages one by one on bytes of the same shape; each runs once to warm up. */
export async function measureStages(layout: Layout): Promise<Stages> {
  const { k, n, shardBytes, stripes } = layout
  const data = systemRandom.bytes(k * shardBytes)
  const fragment = systemRandom.bytes(fragmentBytesOf(layout))
  const secret = systemRandom.bytes(32)
  const each = (work: () => unknown) => seconds(async () => repeat(stripes, work))
  return {
    sealSeconds: await seconds(async () => sealAll(layout)),
    splitSeconds: await each(() => splitSecret(secret, n, k)),
    encodeSeconds: await each(() => encodeStripe(data, k, n, shardBytes)),
    hashSeconds: await each(() => {
      for (let column = 0; column < n; column++) blake3(fragment)
    }),
  }
}

function sealAll({ paddedLength }: Layout): void {
  const sealer = new CobblestoneSealer(systemRandom.bytes(32), systemRandom.bytes(24), new Uint8Array(32))
  const chunk = systemRandom.bytes(CHUNK_BYTES)
  for (let at = 0; at + CHUNK_BYTES <= paddedLength; at += CHUNK_BYTES) sealer.seal(chunk, false)
}

async function repeat(times: number, work: () => unknown): Promise<void> {
  for (let at = 0; at < times; at++) await work()
}

async function seconds(work: () => Promise<void>): Promise<number> {
  const start = performance.now()
  await work()
  return round((performance.now() - start) / 1000)
}
