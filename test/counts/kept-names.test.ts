import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { toHex } from '../../src/bytes.ts'
import { decodeCbor, encodeCbor } from '../../src/cbor.ts'
import { ProviderRecords } from '../../src/net/_provider-records.ts'
import { seededBytes } from '../storage-node/made-object.ts'

/** So many that what is made beside them does not count. */
const COUNT = 20_000

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function heldBytes(): number {
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** @returns bytes of memory for each of COUNT calls of `keep`, when nothing but what it kept is left. */
function bytesEach(keep: (at: number) => void): number {
  const before = heldBytes()
  for (let at = 0; at < COUNT; at++) keep(at)
  return (heldBytes() - before) / COUNT
}

function idOf(at: number): Uint8Array {
  const id = seededBytes(1, 32)
  new DataView(id.buffer).setUint32(0, at)
  return id
}

describe('what is kept of many takes the memory of its characters, not of a tree of them', () => {
  test('hex as the key of a map: 64 characters and its place', () => {
    const kept = new Map<string, true>()
    expect(bytesEach((at) => kept.set(toHex(idOf(at)), true))).toBeLessThan(160)
    expect(kept.size).toBe(COUNT)
  })

  test('short text that was decoded', () => {
    const kept: unknown[] = []
    expect(bytesEach((at) => kept.push(decodeCbor(encodeCbor(`a name ${100_000 + at}`))))).toBeLessThan(80)
    expect(kept).toHaveLength(COUNT)
  })

  test('a provider record of the DHT, five of each object by twelve peers', () => {
    const records = new ProviderRecords()
    const peers = Array.from({ length: 12 }, (_, at) => `12D3KooW${toHex(idOf(at)).slice(0, 44)}`)
    const each = bytesEach((at) => {
      const object = `ciq${toHex(idOf(Math.floor(at / 5))).slice(0, 52)}`
      const time = Uint8Array.of(1, 2, 3, 4, 5, at & 127)
      records.set(`/dht/provider/${object}/${peers[at % 12]}`, time)
    })
    expect(records.size).toBe(COUNT)
    expect(each).toBeLessThan(130)
  })
})
