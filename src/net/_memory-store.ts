import { NotFoundError } from '@libp2p/interface'
import { BaseDatastore } from 'datastore-core/base'
import type { KeyQuery, Pair, Query } from 'interface-datastore'
import { Key } from 'interface-datastore/key'
import { XcareError } from '../errors.ts'
import { DHT_PROVIDERS_MAX, DHT_RECORDS_MAX, KNOWN_PEERS_MAX } from '../limits.ts'
import { ProviderRecords } from './_provider-records.ts'

const DHT_PREFIX = '/dht/'
const PROVIDERS_PREFIX = '/dht/provider/'
const PEERS_PREFIX = '/peers/'
/** A search lets others have a turn after so many names: the library looks at all provider records each hour. */
const NAMES_A_TURN = 250

/**
 * What a peer knows of others, in memory. Unlike the library's store it finds the providers of an object without looking at
 * every name, and it bounds what strangers can make us keep: DHT records are refused above their caps, and of peers the
 * longest unused are forgotten.
 */
export class MemoryStore extends BaseDatastore {
  readonly #values = new Map<string, Uint8Array>()
  readonly #providers = new ProviderRecords()
  /** Names of peers, the longest unused first. */
  readonly #peers = new Set<string>()
  /** DHT records of other kinds. */
  #others = 0

  override put(key: Key, value: Uint8Array): Key {
    const name = key.toString()
    if (name.startsWith(PROVIDERS_PREFIX)) this.#putProvider(name, value)
    else this.#putOther(name, value)
    return key
  }

  override get(key: Key): Uint8Array {
    const name = key.toString()
    const value = this.#find(name)
    if (!value) throw new NotFoundError()
    this.#touch(name)
    return value
  }

  override has(key: Key): boolean {
    return this.#find(key.toString()) !== null
  }

  override delete(key: Key): void {
    const name = key.toString()
    if (name.startsWith(PROVIDERS_PREFIX)) this.#providers.delete(name)
    else this.#remove(name)
  }

  override async *_all({ prefix }: Query): AsyncGenerator<Pair> {
    for await (const name of this.#names(prefix ?? '')) {
      const value = this.#find(name)
      if (value) yield { key: new Key(name), value }
    }
  }

  override async *_allKeys({ prefix }: KeyQuery): AsyncGenerator<Key> {
    for await (const name of this.#names(prefix ?? '')) yield new Key(name)
  }

  async *#names(prefix: string): AsyncGenerator<string> {
    let seen = 0
    for (const name of this.#namesAtOnce(prefix)) {
      yield name
      if (++seen % NAMES_A_TURN === 0) await new Promise((resolve) => setTimeout(resolve))
    }
  }

  /** Below an object of the DHT only that one is looked at, by its whole name: strangers ask for many that are not here. */
  *#namesAtOnce(prefix: string): Generator<string> {
    if (prefix.startsWith(PROVIDERS_PREFIX)) {
      yield* this.#providers.of(prefix)
      return
    }
    if (PROVIDERS_PREFIX.startsWith(prefix)) yield* this.#providers.all()
    for (const name of [...this.#values.keys()]) if (name.startsWith(prefix)) yield name
  }

  #find(name: string): Uint8Array | null {
    if (name.startsWith(PROVIDERS_PREFIX)) return this.#providers.get(name)
    return this.#values.get(name) ?? null
  }

  #putProvider(name: string, value: Uint8Array): void {
    if (!this.#providers.has(name)) {
      this.#refuseWhenFull()
      if (this.#providers.countBeside(name) >= DHT_PROVIDERS_MAX)
        throw new XcareError('BUSY', 'this node keeps no more providers of one object')
    }
    this.#providers.set(name, value)
  }

  #putOther(name: string, value: Uint8Array): void {
    if (name.startsWith(DHT_PREFIX) && !this.#values.has(name)) {
      this.#refuseWhenFull()
      this.#others++
    }
    this.#values.set(name, value)
    this.#touch(name)
  }

  #remove(name: string): void {
    if (!this.#values.delete(name)) return
    this.#peers.delete(name)
    if (name.startsWith(DHT_PREFIX)) this.#others--
  }

  #touch(name: string): void {
    if (!name.startsWith(PEERS_PREFIX)) return
    this.#peers.delete(name)
    this.#peers.add(name)
    if (this.#peers.size <= KNOWN_PEERS_MAX) return
    const oldest = this.#peers.values().next().value
    if (oldest !== undefined) this.#remove(oldest)
  }

  #refuseWhenFull(): void {
    if (this.#providers.size + this.#others >= DHT_RECORDS_MAX)
      throw new XcareError('BUSY', 'this node keeps no more DHT records')
  }
}
