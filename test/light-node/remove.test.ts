import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { toHex } from '../../src/bytes.ts'
import { recordKey } from '../../src/chain-anchor/app/keys.ts'
import { recordValue } from '../../src/chain-anchor/app/values.ts'
import { type ObjectId, objectIdToBytes } from '../../src/ids.ts'
import { removeObject, resumeRemovals } from '../../src/light-node/remove-record.ts'
import { REMOVAL_KEPT_MS, REMOVAL_RETRY_MS } from '../../src/limits.ts'
import { seededBytes } from '../storage-node/made-object.ts'
import { MemoryNetwork } from './memory-network.ts'

let network: MemoryNetwork
let objectId: ObjectId
let raw: Uint8Array
beforeAll(async () => {
  network = await MemoryNetwork.start()
})
afterAll(() => network.stop())
beforeEach(async () => {
  network.reset()
  const stored = await network.put(seededBytes(1, 5_000))
  objectId = stored.objectId
  raw = objectIdToBytes(objectId)
})

const remove = () => removeObject(network.ports, objectId)
const resume = () => resumeRemovals(network.ports, new AbortController().signal)
/** Nodes that still have its manifest. */
const held = async () => {
  const asked = await Promise.allSettled(network.nodes.map(({ store }) => store.call('manifest', raw)))
  return asked.filter(({ status }) => status === 'fulfilled').length
}
const isRemovedOnChain = () => recordValue.decode(network.chain.get(recordKey(raw))!).status === 'removed'

describe('removing a record', () => {
  test('with everybody there leaves nothing, and is forgotten', async () => {
    expect(await remove()).toMatchObject({ complete: true, shredded: true, destroyed: 4, nodes: 12 })
    expect(network.vault.get(raw)).toBeNull()
    expect(network.vault.removals()).toEqual([])
    expect(await held()).toBe(0)
    await expect(network.get(objectId)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  test('with parties away is not complete, keeps the key, and is completed by running it again', async () => {
    for (const at of [0, 1, 2]) network.guardians[at]!.isDown = true
    network.nodes[3]!.isDown = true
    expect(await remove()).toMatchObject({
      ...{ complete: false, shredded: false, destroyed: 1, destroyedOf: 4, nodes: 11, nodesOf: 12 },
      guardiansLeft: expect.arrayContaining(['guardian-0', 'guardian-1', 'guardian-2']),
    })
    expect(isRemovedOnChain()).toBe(true)
    expect(network.vault.get(raw)).not.toBeNull()
    expect(network.vault.removals()).toMatchObject([{ onChain: true, nodesLeft: 1 }])
    expect(await held()).toBe(1)
    network.reset()
    expect(await remove()).toMatchObject({ complete: true, destroyed: 4, guardiansLeft: [] })
    expect(network.vault.get(raw)).toBeNull()
    // Who had confirmed was not asked again.
    expect(
      network.guardians.map(({ destroyed }) => destroyed.filter((id) => id === toHex(raw)).length),
    ).toEqual([1, 1, 1, 1])
  })

  test('goes on by itself, when it is time', async () => {
    network.guardians[2]!.isDown = true
    await remove()
    network.reset()
    await resume()
    expect(network.vault.removals()).toHaveLength(1)
    network.pass(REMOVAL_RETRY_MS)
    await resume()
    expect(network.vault.removals()).toEqual([])
    expect(network.vault.get(raw)).toBeNull()
  })

  test('that could not reach the chain has destroyed nothing', async () => {
    const { chain } = network
    const ledger = {
      head: () => chain.head(),
      read: (key: Uint8Array) => chain.read(key),
      blob: (hash: Uint8Array) => chain.blob(hash),
      submit: refuse,
      send: refuse,
    }
    const away = { ...network.ports, ledger }
    await expect(removeObject(away, objectId)).rejects.toThrow('away')
    expect(network.guardians.every(({ destroyed }) => !destroyed.includes(toHex(raw)))).toBe(true)
    expect(await network.get(objectId)).toEqual(seededBytes(1, 5_000))
    expect(network.vault.removals()).toHaveLength(1)
    expect(await remove()).toMatchObject({ complete: true })
  })

  test('is over after a month when nobody can read it any more, though one is away for good', async () => {
    network.guardians[0]!.isDown = true
    expect(await remove()).toMatchObject({ complete: false, shredded: true })
    network.pass(REMOVAL_KEPT_MS)
    network.guardians[0]!.isDown = true
    expect(await remove()).toMatchObject({ complete: true, guardiansLeft: ['guardian-0'] })
    expect(network.vault.get(raw)).toBeNull()
  })

  test('of what the chain does not know ends at once', async () => {
    const unknown = seededBytes(9, 32)
    const { objectIdFromBytes } = await import('../../src/ids.ts')
    await network.vault.add({ ...network.vault.get(raw)!, objectId: unknown })
    expect(await removeObject(network.ports, objectIdFromBytes(unknown))).toMatchObject({ complete: true })
    expect(network.vault.get(unknown)).toBeNull()
  })
})

async function refuse(): Promise<never> {
  throw new Error('away')
}
