import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { runCodec } from './run.ts'

const require = createRequire(import.meta.url)
const [name, ...args] = process.argv.slice(2)
const { ReedSolomonErasure } = require(name)
// Both packages are builds of one Rust crate and share an interface; each is loaded from its own binary.
const codec = ReedSolomonErasure.fromBytes(
  readFileSync(join(dirname(require.resolve(name)), 'reed_solomon_erasure_bg.wasm')),
)

runCodec((data, k, n, shardBytes, lost) => {
  const shards = new Uint8Array(n * shardBytes)
  shards.set(data)
  const available = Array.from({ length: n }, (_, at) => at >= lost)
  const check = (code) => {
    if (code !== 0) throw new Error(`the codec answered ${code}`)
  }
  return {
    encode: () => check(codec.encode(shards, k, n - k)),
    decode: () => {
      shards.fill(0, 0, lost * shardBytes)
      check(codec.reconstruct(shards, k, n - k, available))
      return shards.subarray(0, k * shardBytes)
    },
  }
}, args)
