import { decodeShards, encodeShards } from '../../src/fragment/erasure/erasure.ts'
import { runCodec } from './run.ts'

runCodec((data, k, n, shardBytes, lost) => {
  const shards = Array.from({ length: n }, (_, at) =>
    at < k ? data.subarray(at * shardBytes, (at + 1) * shardBytes) : new Uint8Array(shardBytes),
  )
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
