import { type MadeObject, makeObject } from './made-object.ts'

/** The object numbered `seed`: the same for whoever writes it and whoever looks for it afterwards. */
export function smallObject(seed: number, version = 1, length = 600): MadeObject {
  return makeObject({ seed, version, length, shardBytesMax: 64, k: 4, n: 8 })
}
