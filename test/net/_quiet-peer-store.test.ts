import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Peer, PeerData, PeerId, PeerStore } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { beforeAll, expect, test } from 'vitest'
import { quietMerges } from '../../src/net/_quiet-peer-store.ts'

/** The library's store as far as merging goes; counts how often it is really asked. */
class CountedStore {
  asked: string[] = []
  #fails = false
  merge = (id: PeerId, data: PeerData) => this.#note('merge', id, data)
  save = (id: PeerId, data: PeerData) => this.#note('save', id, data)
  patch = (id: PeerId, data: PeerData) => this.#note('patch', id, data)
  delete = async (id: PeerId) => void (await this.#note('delete', id, {}))

  failOnce(): void {
    this.#fails = true
  }

  async #note(what: string, id: PeerId, data: PeerData): Promise<Peer> {
    this.asked.push(what)
    const fails = this.#fails
    this.#fails = false
    if (fails) throw new Error('no room')
    return { id, protocols: data.protocols ?? [] } as unknown as Peer
  }
}

let one: PeerId
let other: PeerId
beforeAll(async () => {
  one = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
  other = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
})

function quiet() {
  const counted = new CountedStore()
  const store = counted as unknown as PeerStore
  const time = { ms: 0 }
  quietMerges(store, () => time.ms)
  const asked = async (merge: PeerData, id = one) => {
    counted.asked = []
    await store.merge(id, merge)
    return counted.asked.length
  }
  return { counted, store, time, asked }
}

test('a stream and a provider record of a known peer merge nothing; what is new is merged', async () => {
  const { asked } = quiet()
  const at = (port: number) => ({ multiaddrs: [multiaddr(`/ip4/127.0.0.1/tcp/${port}`)] })
  expect(await asked({ protocols: ['/a'] })).toBe(1)
  expect(await asked({ protocols: ['/a'] })).toBe(0)
  expect(await asked({ protocols: ['/a'] }, other)).toBe(1)
  expect(await asked({ protocols: ['/a', '/b'] })).toBe(1)
  expect(await asked({ protocols: ['/b'] })).toBe(0)
  expect(await asked(at(1))).toBe(1)
  expect(await asked(at(2))).toBe(1)
  expect(await asked(at(1))).toBe(0)
  // Tags and metadata mean more than their names.
  expect(await asked({ tags: { near: { value: 1 } } })).toBe(1)
  expect(await asked({ tags: { near: { value: 1 } } })).toBe(1)
})

test.each(['patch', 'save', 'delete'] as const)('after a %s the store is asked again', async (change) => {
  const { asked, store } = quiet()
  await asked({ protocols: ['/a'] })
  await store[change](one, { protocols: ['/b'] })
  expect(await asked({ protocols: ['/a'] })).toBe(1)
})

test('what the store forgot is told again after half a minute, and a failure is not remembered', async () => {
  const { asked, counted, time } = quiet()
  expect(await asked({ protocols: ['/a'] })).toBe(1)
  time.ms = 29_000
  expect(await asked({ protocols: ['/a'] })).toBe(0)
  expect(await asked({ protocols: ['/b'] })).toBe(1)
  time.ms = 31_000
  expect(await asked({ protocols: ['/a'] })).toBe(1)
  counted.failOnce()
  await expect(asked({ protocols: ['/c'] })).rejects.toThrow('no room')
  expect(await asked({ protocols: ['/c'] })).toBe(1)
})
