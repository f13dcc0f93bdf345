import { join } from 'node:path'
import { type Profile, profileFor } from '../../fragment/profile.ts'
import type { ObjectId } from '../../ids.ts'
import { gatherRecords } from '../../light-node/gather-records.ts'
import { openRecord } from '../../light-node/get-record.ts'
import { custodyKeySource } from '../../light-node/guardians/read-as-grantee.ts'
import { putRecord, type StoredRecord } from '../../light-node/put-record.ts'
import { readBundleEntries, readBundleRecord } from '../../light-node/range-read.ts'
import type { NetworkFile, NetworkFolder } from '../../sdk/network/network-folder.ts'
import { type LightNode, type LightNodePorts, openLightNode } from '../../sdk/open-light-node.ts'
import { keptWallet } from '../../sdk/wallet.ts'
import { Meter } from './meter.ts'
import { PatternCheck, patternRecord } from './pattern.ts'
import type { ProxyProcess } from './proxy/proxy-process.ts'
import { proxiedNetwork, throughProxy } from './proxy/through-proxy.ts'

/** A record of this run that is stored: its number gives its bytes. */
export interface KeptRecord {
  number: number
  bytes: number
  stored: StoredRecord
}

/** A record of this run that is stored in a bundle. */
export interface BundledRecord {
  number: number
  bytes: number
  objectId: ObjectId
}

/** When a get had its first bytes and all of them, in ms from its start. */
export interface GetTimes {
  firstByteMs: number
  totalMs: number
}

let recordsMade = 0

/** The light node that is measured, as an application would use it: it puts and gets records and checks every byte that comes back. */
export class BenchClient {
  readonly ports: LightNodePorts
  readonly meter: Meter
  /** When the last put was anchored, in ms of `performance.now()`. */
  anchoredAt: number | null = null
  readonly #node: LightNode
  readonly #fragmentSize: number

  private constructor(node: LightNode, meter: Meter, proxy: ProxyProcess | null, fragmentSize: number) {
    this.#node = node
    this.#fragmentSize = fragmentSize
    this.meter = meter
    const transport = proxy ? throughProxy(node.ports.transport, proxy) : node.ports.transport
    this.ports = {
      ...node.ports,
      transport: meter.transport(transport),
      ledger: meter.ledger(node.ports.ledger),
      // The DHT would lead around the proxy.
      ...(proxy ? { directory: null } : {}),
      progress: ({ type }) => {
        if (type === 'anchored') this.anchoredAt = performance.now()
      },
    }
  }

  /** Opens one with a wallet of its own called `name`. @param proxy what every connection goes through, or null for none. */
  static async open(
    folder: NetworkFolder,
    network: NetworkFile,
    { name, proxy, fragmentSize }: { name: string; proxy: ProxyProcess | null; fragmentSize: number },
  ): Promise<BenchClient> {
    const seen = proxy ? await proxiedNetwork(network, proxy) : network
    const wallet = await keptWallet(folder.wallet(name), seen)
    const cache = join(folder.root, 'cache', name)
    const node = await openLightNode({ network: seen, wallet, cache, progress: () => {} })
    return new BenchClient(node, new Meter(), proxy, fragmentSize)
  }

  /** @returns the profile of a shape, with the fragment size of this run. */
  profile(k: number, n: number): Profile {
    return { ...profileFor(k, n), shardBytes: this.#fragmentSize }
  }

  /** Stores a new record of `bytes`. @throws XcareError as putRecord */
  async put(bytes: number, profile: Profile): Promise<KeptRecord> {
    const number = ++recordsMade
    return { number, bytes, stored: await putRecord(this.ports, patternRecord(number, bytes), profile) }
  }

  /** @returns what stores a new record of so many bytes, gathered with others of the same time. It throws as `RecordGatherer.put`. */
  gathering(profile: Profile): (bytes: number) => Promise<BundledRecord> {
    const gatherer = gatherRecords(this.ports, 'bench', profile)
    return async (bytes) => {
      const number = ++recordsMade
      const { bundle } = await gatherer.put(patternRecord(number, bytes))
      return { number, bytes, objectId: bundle.objectId }
    }
  }

  /** Reads a record out of its bundle, opened anew, and compares every byte. @throws XcareError as readBundleRecord; Error when a byte differs. */
  async getBundled({ number, bytes, objectId }: BundledRecord): Promise<void> {
    const opened = await openRecord(this.ports, objectId, custodyKeySource(this.ports))
    try {
      const entries = await readBundleEntries(opened.head)
      const entry = entries.find(({ name }) => name === patternRecord(number, bytes).name)
      const check = new PatternCheck(number, bytes)
      check.next(await readBundleRecord(opened.head, entry!))
      check.end()
    } finally {
      opened.close()
    }
  }

  /** Reads a record back and compares every byte. @throws XcareError as openRecord; Error when a byte differs. */
  async get({ number, bytes, stored }: KeptRecord): Promise<GetTimes> {
    const start = performance.now()
    const opened = await openRecord(this.ports, stored.objectId as ObjectId, custodyKeySource(this.ports))
    const check = new PatternCheck(number, bytes)
    let firstByteMs: number | null = null
    for await (const piece of opened.content) {
      firstByteMs ??= performance.now() - start
      check.next(piece)
    }
    check.end()
    const totalMs = performance.now() - start
    return { firstByteMs: firstByteMs ?? totalMs, totalMs }
  }

  /** Ends it. */
  close(): Promise<void> {
    return this.#node.close()
  }
}
