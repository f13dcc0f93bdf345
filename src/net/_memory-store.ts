import { NotFoundError } from '@libp2p/interface'
import { BaseDatastore } from 'datastore-core/base'
import type { KeyQuery, Pair, Query } from 'interface-datastore'
import { Key } from 'interface-datastore/key'
import { XcareError } from '../errors.ts'
import { DHT_PROVIDERS_MAX, DHT_RECORDS_MAX, KNOWN_PEERS_MAX } from '../limits.ts'
import { SortedNames } from './_sorted-names.ts'

const DHT_PREFIX = '/dht/'
const PEERS_PREFIX = '/peers/'

/**
 * What a peer knows of others, in memory. Unlike the library's store it answers a question by prefix without looking at
 * every key, and it bounds what strangers can make us keep: DHT records are refused above their caps, and of peers the
 * longest unused are forgotten.
 */
export class MemoryStore extends BaseDatastore {
  readonly #values = new Map<string, Uint8Array>()
  readonly #names = new SortedNames()
  /** Names of peers, the longest unused first. */
  readonly #peers = new Set<string>()
  #dhtRecords = 0

  override put(key: Key, value: Uint8Array): Key {
    const name = key.toString()
    if (!this.#values.has(name)) this.#add(name)
    this.#values.set(name, value)
    this.#touch(name)
    return key
  }

  override get(key: Key): Uint8Array {
    const name = key.toString()
    const value = this.#values.get(name)
    if (!value) throw new NotFoundError()
    this.#touch(name)
    return value
  }

  override has(key: Key): boolean {
    return this.#values.has(key.toString())
  }

  override delete(key: Key): void {
    this.#remove(key.toString())
  }

  override *_all(query: Query): Generator<Pair> {
    for (const name of this.#names.startingWith(query.prefix ?? '')) {
      const value = this.#values.get(name)
      if (value) yield { key: new Key(name), value }
    }
  }

  override *_allKeys(query: KeyQuery): Generator<Key> {
    for (const name of this.#names.startingWith(query.prefix ?? '')) yield new Key(name)
  }

  #add(name: string): void {
    if (name.startsWith(DHT_PREFIX)) {
      this.#refuseWhenFull(name)
      this.#dhtRecords++
    }
    this.#names.add(name)
  }

  #remove(name: string): void {
    if (!this.#values.delete(name)) return
    this.#names.remove(name)
    this.#peers.delete(name)
    if (name.startsWith(DHT_PREFIX)) this.#dhtRecords--
  }

  #touch(name: string): void {
    if (!name.startsWith(PEERS_PREFIX)) return
    this.#peers.delete(name)
    this.#peers.add(name)
    if (this.#peers.size <= KNOWN_PEERS_MAX) return
    const oldest = this.#peers.values().next().value
    if (oldest !== undefined) this.#remove(oldest)
  }

  #refuseWhenFull(name: string): void {
    if (this.#dhtRecords >= DHT_RECORDS_MAX)
      throw new XcareError('BUSY', 'this node keeps no more DHT records')
    const siblings = name.slice(0, name.lastIndexOf('/') + 1)
    if (this.#names.startingWith(siblings).length >= DHT_PROVIDERS_MAX)
      throw new XcareError('BUSY', 'this node keeps no more providers of one object')
  }
}
