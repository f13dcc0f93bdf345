import { readFileSync, writeFileSync } from 'node:fs'

/** One codec in one shape, ready to run. Both work on the same buffers each time. */
export interface Codec {
  /** Parity of the stripe. */
  encode(): void
  /** Data of the stripe, the first `lost` data shards rebuilt from parity. @returns k shards in order. */
  decode(): Uint8Array
}

/** Makes a codec for one stripe. `data` has k shards of `shardBytes`. */
export type CodecMaker = (data: Uint8Array, k: number, n: number, shardBytes: number, lost: number) => Codec

/** Data shards that are lost before decoding: as many as the code can bear. */
function lostOf(k: number, n: number): number {
  return Math.min(k, n - k)
}

/**
 * What every kernel program does, whatever its language. Arguments: file of one stripe's data, file for the data it
 * rebuilt, k, n, bytes of a shard, seconds to spend on each direction. Prints `{ encode, decode }` in bytes of data a second.
 */
export function runCodec(make: CodecMaker, args: readonly string[]): void {
  const [input, output] = args
  const [k, n, shardBytes, seconds] = args.slice(2).map(Number) as [number, number, number, number]
  const data = new Uint8Array(readFileSync(input!))
  const codec = make(data, k, n, shardBytes, lostOf(k, n))
  const encode = rate(() => codec.encode(), data.length, seconds)
  let rebuilt = codec.decode()
  const decode = rate(
    () => {
      rebuilt = codec.decode()
    },
    data.length,
    seconds,
  )
  writeFileSync(output!, rebuilt)
  process.stdout.write(`${JSON.stringify({ encode, decode })}\n`)
}

/** Warms up for a quarter of the time, then counts. */
function rate(work: () => void, bytes: number, seconds: number): number {
  repeat(work, seconds / 4)
  const { times, elapsed } = repeat(work, seconds)
  return (times * bytes) / elapsed
}

function repeat(work: () => void, seconds: number): { times: number; elapsed: number } {
  const start = performance.now()
  for (let times = 1; ; times++) {
    work()
    const elapsed = (performance.now() - start) / 1000
    if (elapsed >= seconds) return { times, elapsed }
  }
}
