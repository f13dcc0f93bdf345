import { NotFoundError } from '@libp2p/interface'
import { BaseDatastore } from 'datastore-core/base'
import type { KeyQuery, Pair, Query } from 'interface-datastore'
import { Key } from 'interface-datastore/key'
import { XcareError } from '../errors.ts'
import { DHT_PROVIDERS_MAX, DHT_RECORDS_MAX, KNOWN_PEERS_MAX } from '../limits.ts'
import { ProviderRecords, providerOf } from './_provider-records.ts'

const DHT_PREFIX = '/dht/'
const PROVIDERS_PREFIX = '/dht/provider/'
const PEERS_PREFIX = '/peers/'
/** Records that make room at the same time. */
const ROOM_RECORDS = 1000
/** A search lets others have a turn after so many names: the library looks at all provider records each hour. */
const NAMES_A_TURN = 250

/**
 * What a peer knows of others, in memory. Unlike the library's store it finds the providers of an object without looking at
 * every name, and it bounds what strangers can make us keep: DHT records are refused above their caps or take
 * the place of those of who has most, and of peers the
 * longest unused are forgotten.
 */
export class MemoryStore extends BaseDatastore {
  readonly #values = new Map<string, Uint8Array>()
  readonly #providers = new ProviderRecords()
  /** Names of peers, the longest unused first. */
  readonly #peers = new Set<string>()
  /** DHT records of other kinds. */
  #others = 0
  readonly #isMember: (peer: string) => boolean

  /** @param isMember whether a peer is one of the network's: provider records of others make room for its. */
  constructor(isMember: (peer: string) => boolean = () => false) {
    super()
    this.#isMember = isMember
  }

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
      if (this.#providers.countBeside(name) >= DHT_PROVIDERS_MAX) this.#makeRoomBeside(name)
      if (this.#isFull()) this.#makeRoom(name)
    }
    this.#providers.set(name, value)
  }

  /** Of one object a stranger's record makes room for that of a member. @throws XcareError BUSY */
  #makeRoomBeside(name: string): void {
    const beside = this.#providers.of(name.slice(0, name.lastIndexOf('/')))
    const stranger = beside.find((other) => !this.#isMember(providerOf(other)))
    if (stranger === undefined || !this.#isMember(providerOf(name)))
      throw new XcareError('BUSY', 'this node keeps no more providers of one object')
    this.#providers.delete(stranger)
  }

  /**
   * Records of those who have most make room, many at once, as that costs a look at all: any stranger's for a
   * member, those of strangers with more records for a stranger.
   * @throws XcareError BUSY when there are none.
   */
  #makeRoom(name: string): void {
    const isStranger = (provider: string) => !this.#isMember(provider)
    const own = isStranger(providerOf(name)) ? this.#providers.countOf(name) + 1 : 0
    const enough = Math.max(own, this.#providers.most(isStranger) / 2 - 1)
    let room = 0
    for (const other of this.#providers.all()) {
      if (room >= ROOM_RECORDS) break
      if (!isStranger(providerOf(other)) || this.#providers.countOf(other) <= enough) continue
      this.#providers.delete(other)
      room++
    }
    if (room === 0) throw new XcareError('BUSY', 'this node keeps no more DHT records')
  }

  #putOther(name: string, value: Uint8Array): void {
    if (name.startsWith(DHT_PREFIX) && !this.#values.has(name)) {
      if (this.#isFull()) throw new XcareError('BUSY', 'this node keeps no more DHT records')
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

  #isFull(): boolean {
    return this.#providers.size + this.#others >= DHT_RECORDS_MAX
  }
}
