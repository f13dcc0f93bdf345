import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { serve } from '../../bench/systems/serve.ts'

function busyFor(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

/** A system that keeps bytes in one file. What it does with them is its variant: `honest`, or one way to be wrong. */
serve(async ({ scratch }) => {
  const path = join(scratch, 'kept')
  const put = async (variant: string, content: Buffer) => {
    // Works on without being asked.
    if (variant === 'busy') setInterval(() => busyFor(5), 10)
    if (variant === 'refuses') throw new Error('no room')
    if (variant === 'ends') process.exit(3)
    writeFileSync(path, content)
    return 'token'
  }
  const get = (variant: string) => {
    const kept = readFileSync(path)
    if (variant === 'flips a bit') kept[kept.length >> 1]! ^= 1
    return variant === 'forgets the end' ? kept.subarray(0, -1) : kept
  }
  return {
    version: '1.2.3',
    detached: [],
    put,
    get: async (variant, _, sink) => {
      // Nothing comes back at all: what the sink held before must not pass for it.
      if (variant !== 'gives nothing') sink.push(get(variant))
    },
    putRecords: (variant, records) => put(variant, Buffer.concat(records)),
    getRecords: async (variant, _, sink) => sink.push(get(variant)),
    stop: async () => {},
  }
})
