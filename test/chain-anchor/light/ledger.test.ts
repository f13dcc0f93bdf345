import { beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../../src/bytes.ts'
import { type LedgerOptions, openLedger } from '../../../src/chain-anchor/light/ledger.ts'
import { sha256 } from '../../../src/crypto/hash.ts'
import { XcareError } from '../../../src/errors.ts'
import { FakeChain, FakeEndpoint, members } from './fake-chain.ts'
import { FakeClock, MemoryFolder } from './fake-ports.ts'

const MEMBERS = members(4)
const KEY = utf8('rec/1')
const VALUE = utf8('value')
const ABSENT = utf8('rec/2')
const code = (name: string) => expect.objectContaining({ code: name })

let chain: FakeChain
let endpoint: FakeEndpoint
let clock: FakeClock

beforeEach(() => {
  chain = new FakeChain(MEMBERS).grow(2)
  chain.add([
    [KEY, VALUE],
    [utf8('other'), VALUE],
  ])
  chain.grow(3)
  endpoint = new FakeEndpoint(chain)
  clock = new FakeClock(chain.timeMs + 500)
})

const open = (change: Partial<LedgerOptions> = {}) =>
  openLedger({ provider: endpoint, trust: chain.trust, store: new MemoryFolder(), clock, ...change })

describe('read', () => {
  it('gives proven values and proven absences at the state height below the head', async () => {
    const ledger = await open()
    expect(await ledger.read(KEY, 30_000)).toEqual({ value: VALUE, height: 5, timeMs: chain.timeMs })
    expect((await ledger.read(ABSENT, 30_000)).value).toBeNull()
  })

  it('refuses every forgery', async () => {
    const tree = chain.trees[5]!
    const forgeries: FakeEndpoint['forge'][] = [
      ({ proof }) => ({ value: utf8('other value'), proof }),
      ({ proof }) => ({ value: null, proof }),
      ({ value }) => ({ value, proof: null }),
      ({ value }) => ({ value, proof: new Uint8Array(0) }),
      ({ value }) => ({ value, proof: tree.prove(utf8('other')).proof }),
      () => tree.prove(ABSENT),
      () => chain.trees[1]!.prove(KEY),
    ]
    for (const forge of forgeries) {
      endpoint.forge = forge
      await expect((await open()).read(KEY, 30_000)).rejects.toThrow(code('INTEGRITY'))
    }
  })

  it('a second endpoint makes up for a forging first one', async () => {
    endpoint.forge = () => ({ value: utf8('forged'), proof: null })
    const ledger = await open({ witnesses: [new FakeEndpoint(chain, 'second')] })
    expect((await ledger.read(KEY, 30_000)).value).toEqual(VALUE)
  })

  it('tries again on a fresh header when the endpoint pruned the state', async () => {
    const ledger = await open()
    await ledger.head(30_000)
    delete chain.trees[5]
    chain.add()
    expect((await ledger.read(KEY, 30_000)).height).toBe(6)
  })
})

describe('freshness', () => {
  it('a burst of reads asks for one header, a later read for the next', async () => {
    const ledger = await open()
    await Promise.all([ledger.read(KEY, 30_000), ledger.read(ABSENT, 30_000)])
    await ledger.read(KEY, 30_000)
    const commits = () => endpoint.asked.filter((what) => what.startsWith('commit')).length
    expect(commits()).toBe(2)
    clock.ms += 1000
    await ledger.read(KEY, 30_000)
    expect(commits()).toBe(3)
  })

  it('a read about a block that the header at hand does not prove asks for the next header at once, and takes what there is', async () => {
    const ledger = await open()
    await ledger.head(30_000)
    const commits = () => endpoint.asked.filter((what) => what.startsWith('commit')).length
    const before = commits()
    expect((await ledger.read(KEY, 30_000, 5)).height).toBe(5)
    expect(commits()).toBe(before)
    chain.add()
    expect((await ledger.read(KEY, 30_000, 5)).height).toBe(5)
    expect((await ledger.read(KEY, 30_000, 6)).height).toBe(6)
    expect((await ledger.read(KEY, 30_000, Number.MAX_SAFE_INTEGER)).height).toBe(6)
    expect(commits()).toBe(before + 2)
  })

  it('a read about a block does not take the answer to a question that was asked before that block was there', async () => {
    const ledger = await open()
    await ledger.head(30_000)
    clock.ms += 1000
    const commits = () => endpoint.asked.filter((what) => what.startsWith('commit')).length
    const before = commits()
    const earlier = ledger.head(30_000)
    while (commits() === before) await Promise.resolve()
    chain.add()
    const [{ height }, read] = await Promise.all([earlier, ledger.read(KEY, 30_000, 6)])
    expect([height, read.height]).toEqual([6, 6])
    expect(commits()).toBe(before + 2)
  })

  it('serves what is verified while offline, but only up to the age asked for', async () => {
    const ledger = await open()
    await ledger.head(30_000)
    endpoint.down = new XcareError('OFFLINE', 'gone')
    clock.ms += 20_000
    expect((await ledger.head(30_000)).height).toBe(6)
    await expect(ledger.head(10_000)).rejects.toThrow(code('OFFLINE'))
    clock.ms += 20_000
    await expect(ledger.head(30_000)).rejects.toThrow(code('OFFLINE'))
  })

  it('a chain that stands still is offline, with its age', async () => {
    clock.ms += 40 * 60_000
    const stale = expect.objectContaining({ code: 'OFFLINE', message: expect.stringContaining('40 minutes') })
    await expect((await open()).head(30_000)).rejects.toThrow(stale)
  })

  it('a clock an hour ahead is told from a chain that stands still by the blocks that keep coming', async () => {
    clock.ms += 3_600_000
    clock.onSleep = () => chain.grow(1)
    const skew = expect.objectContaining({
      code: 'CLOCK_SKEW',
      message: expect.stringMatching(/clock is 1 hour.* ahead of the chain/),
    })
    await expect((await open()).head(30_000)).rejects.toThrow(skew)
  })

  it('a clock an hour behind is told by the measured offset', async () => {
    clock.ms -= 3_600_000
    await expect((await open()).head(30_000)).rejects.toThrow(code('CLOCK_SKEW'))
  })

  it('an endpoint that catches up is not taken for a wrong clock', async () => {
    clock.ms += 3_600_000
    clock.onSleep = () => chain.grow(100)
    await expect((await open()).head(30_000)).rejects.toThrow(code('OFFLINE'))
  })
})

describe('blobs', () => {
  it('are checked against their hash', async () => {
    const blob = utf8('node list')
    chain.blobs.push(blob)
    const ledger = await open()
    expect(await ledger.blob(sha256(blob))).toEqual(blob)
    await expect(ledger.blob(sha256(VALUE))).rejects.toThrow(code('NOT_FOUND'))
    endpoint.forge = () => ({ value: VALUE, proof: null })
    await expect(ledger.blob(sha256(blob))).rejects.toThrow(code('INTEGRITY'))
  })
})

describe('submit', () => {
  it('returns once the effect can be proven', async () => {
    const ledger = await open()
    const tx = utf8('tx')
    const { height } = await ledger.submit(tx)
    expect(height).toBe(7)
    expect((await ledger.read(tx, 30_000)).value).toEqual(tx)
  })

  it("passes the chain's refusal on", async () => {
    const refused = expect.objectContaining({ code: 'REFUSED', message: 'empty transaction' })
    await expect((await open()).submit(new Uint8Array(0))).rejects.toThrow(refused)
  })

  it('goes to the next endpoint when one is gone', async () => {
    endpoint.down = new XcareError('OFFLINE', 'gone')
    const ledger = await open({ witnesses: [new FakeEndpoint(chain, 'second')] })
    expect((await ledger.submit(utf8('tx'))).height).toBe(7)
  })

  it('never reports a refusal when an earlier try may have got through', async () => {
    endpoint.down = new XcareError('TIMEOUT', 'cut')
    const ledger = await open({ witnesses: [new FakeEndpoint(chain, 'second')] })
    await expect(ledger.submit(new Uint8Array(0))).rejects.toThrow(code('TIMEOUT'))
  })

  it('gives up when the claimed block never comes', async () => {
    const ledger = await open()
    endpoint.submit = async () => ({ height: 99 })
    await expect(ledger.submit(utf8('tx'))).rejects.toThrow(code('TIMEOUT'))
  })
})
