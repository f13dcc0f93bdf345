import { Key } from 'interface-datastore/key'
import { describe, expect, test, vi } from 'vitest'
import { DHT_PROVIDERS_MAX, DHT_RECORDS_MAX, KNOWN_PEERS_MAX } from '../../src/limits.ts'
import { MemoryStore } from '../../src/net/_memory-store.ts'
import { ProviderRecords } from '../../src/net/_provider-records.ts'

const value = Uint8Array.of(1)

async function names(store: MemoryStore, prefix: string): Promise<string[]> {
  const found: string[] = []
  for await (const { key } of store.query({ prefix })) found.push(key.toString())
  return found.sort()
}

describe('the memory of a peer', () => {
  test('keeps, replaces, forgets, and finds by prefix whatever the order of arrival', async () => {
    const store = new MemoryStore()
    for (const name of ['/dht/b/2', '/peers/x', '/dht/a/1', '/dht/provider/b/1', '/dht/ab/1', '/dht/b/1'])
      store.put(new Key(name), value)
    store.put(new Key('/dht/b/1'), Uint8Array.of(2))
    expect(store.get(new Key('/dht/b/1'))).toEqual(Uint8Array.of(2))
    expect(await names(store, '/dht/b')).toEqual(['/dht/b/1', '/dht/b/2'])
    expect(await names(store, '/dht/a')).toEqual(['/dht/a/1', '/dht/ab/1'])
    expect(await names(store, '/none')).toEqual([])
    store.delete(new Key('/dht/b/1'))
    store.delete(new Key('/dht/b/1'))
    expect(store.has(new Key('/dht/b/1'))).toBe(false)
    expect(await names(store, '/dht')).toEqual(['/dht/a/1', '/dht/ab/1', '/dht/b/2', '/dht/provider/b/1'])
    expect(await names(store, '/peers/')).toEqual(['/peers/x'])
    expect(await names(store, '')).toHaveLength(5)
    expect(() => store.get(new Key('/dht/b/1'))).toThrow(expect.objectContaining({ name: 'NotFoundError' }))
  })

  test('may be changed while it is searched', async () => {
    const store = new MemoryStore()
    for (let at = 0; at < 20; at++) {
      store.put(new Key(`/dht/a/${at}`), value)
      store.put(new Key(`/dht/provider/one/${at}`), value)
      store.put(new Key(`/dht/provider/${at}/one`), value)
    }
    for await (const { key } of store.query({ prefix: '/dht' })) store.delete(key)
    expect(await names(store, '/')).toEqual([])
  })

  test('lets others have their turn while all provider records are looked through', async () => {
    const store = new MemoryStore()
    for (let at = 0; at < 5000; at++) store.put(new Key(`/dht/provider/${at}/a`), value)
    let turns = 0
    const timer = setInterval(() => turns++)
    expect(await names(store, '/dht/provider')).toHaveLength(5000)
    clearInterval(timer)
    expect(turns).toBeGreaterThan(3)
  })

  test('finds the providers of one object, and those of none, without looking at all others', async () => {
    const looksAtAll = vi.spyOn(ProviderRecords.prototype, 'all')
    const store = new MemoryStore()
    for (let at = 0; at < 100; at++) store.put(new Key(`/dht/provider/${at}/a`), value)
    expect(await names(store, '/dht/provider/77')).toEqual(['/dht/provider/77/a'])
    expect(await names(store, '/dht/provider/unknown')).toEqual([])
    expect(await names(store, '/peers/')).toEqual([])
    expect(looksAtAll).not.toHaveBeenCalled()
    expect(await names(store, '/dht/provider')).toHaveLength(100)
    expect(looksAtAll).toHaveBeenCalledOnce()
  })

  test('refuses more providers of one object and more records than its caps', () => {
    const store = new MemoryStore()
    for (let at = 0; at < DHT_PROVIDERS_MAX; at++) store.put(new Key(`/dht/provider/one/${at}`), value)
    expect(() => store.put(new Key('/dht/provider/one/more'), value)).toThrow('no more providers')
    store.put(new Key('/dht/provider/one/0'), value)
    for (let at = DHT_PROVIDERS_MAX; at < DHT_RECORDS_MAX; at++)
      store.put(new Key(`/dht/provider/${at}/a`), value)
    expect(() => store.put(new Key('/dht/provider/other/a'), value)).toThrow('no more DHT records')
    store.delete(new Key('/dht/provider/one/0'))
    store.put(new Key('/dht/provider/other/a'), value)
  })

  test('who has filled it makes room for others, a member of the network always has some', () => {
    const store = new MemoryStore((peer) => peer.startsWith('node'))
    for (let at = 0; at < DHT_RECORDS_MAX - 1; at++) store.put(new Key(`/dht/provider/${at}/greedy`), value)
    store.put(new Key('/dht/provider/of-a-node/node-1'), value)
    for (let at = 0; at < 3000; at++) store.put(new Key(`/dht/provider/${at}/modest`), value)
    for (let at = 0; at < 3000; at++) expect(store.has(new Key(`/dht/provider/${at}/modest`))).toBe(true)
    expect(store.has(new Key('/dht/provider/of-a-node/node-1'))).toBe(true)
  })

  test('as many strangers as there are records leave a member its own', () => {
    const store = new MemoryStore((peer) => peer.startsWith('node'))
    for (let at = 0; at < DHT_RECORDS_MAX; at++) store.put(new Key(`/dht/provider/${at}/one-${at}`), value)
    expect(() => store.put(new Key('/dht/provider/x/late'), value)).toThrow('no more DHT records')
    for (let at = 0; at < 3000; at++) store.put(new Key(`/dht/provider/new-${at}/node-1`), value)
    expect(store.has(new Key('/dht/provider/new-2999/node-1'))).toBe(true)
  })

  test('providers of one object that nobody knows make room for a member', () => {
    const store = new MemoryStore((peer) => peer.startsWith('node'))
    for (let at = 0; at < DHT_PROVIDERS_MAX; at++) store.put(new Key(`/dht/provider/one/${at}`), value)
    store.put(new Key('/dht/provider/one/node-1'), value)
    expect(store.has(new Key('/dht/provider/one/node-1'))).toBe(true)
    expect(store.has(new Key('/dht/provider/one/0'))).toBe(false)
  })

  test('forgets the peers it has not used for longest', () => {
    const store = new MemoryStore()
    for (let at = 0; at < KNOWN_PEERS_MAX; at++) store.put(new Key(`/peers/${at}`), value)
    store.get(new Key('/peers/0'))
    store.put(new Key('/peers/new'), value)
    expect(store.has(new Key('/peers/0'))).toBe(true)
    expect(store.has(new Key('/peers/1'))).toBe(false)
    expect(store.has(new Key('/peers/new'))).toBe(true)
  })
})
