import { decodeShards, encodeShards } from '../../src/fragment/erasure/erasure.ts'
import { sharedRoom } from '../../src/fragment/erasure/stripe-room.ts'
import { runCodec } from './run.ts'

runCodec((data, k, n, shardBytes, lost) => {
  // Where a put makes its stripes, and as far apart as other codecs here have theirs.
  const stripe = sharedRoom().take(n * shardBytes)
  stripe.set(data)
  const shards = Array.from({ length: n }, (_, at) => stripe.subarray(at * shardBytes, (at + 1) * shardBytes))
  const room = new Uint8Array(data.length)
  return {
    encode: () => encodeShards(shards.slice(0, k), shards.slice(k)),
    decode: () => {
      const left = shards.map((shard, at) => (at < lost ? null : shard))
      decodeShards(left, k, n, shardBytes, room)
      // What was not lost is put in place for the check; it costs nothing where all data is lost.
      room.set(data.subarray(lost * shardBytes), lost * shardBytes)
      return room
    },
  }
}, process.argv.slice(2))
