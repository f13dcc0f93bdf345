import { beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../../src/bytes.ts'
import { grantKey } from '../../../src/chain-anchor/app/keys.ts'
import { grantValue } from '../../../src/chain-anchor/app/values.ts'
import { type LedgerOptions, openLedger } from '../../../src/chain-anchor/light/ledger.ts'
import { sha256 } from '../../../src/crypto/hash.ts'
import { XcareError } from '../../../src/errors.ts'
import { grantOf, make, tx } from '../app/chain-actors.ts'
import { FakeChain, FakeEndpoint, members, STEP_MS } from './fake-chain.ts'
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
    clock.ms += 500
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
    clock.ms += 500
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
  const TX = tx('grant', [make.grant('g')], ['revoke g'])
  const GRANT = grantKey(grantOf('g'))

  it('returns once the effect is proven', async () => {
    const ledger = await open()
    expect(await ledger.submit(TX)).toEqual({ height: 7 })
    expect(grantValue.decode((await ledger.read(GRANT, 30_000)).value!).status).toBe('active')
  })

  it("tells an endpoint's word before the proof", async () => {
    const sent = await (await open()).send(TX)
    expect(sent.height).toBe(7)
    expect(await sent.proven).toEqual({ height: 7 })
  })

  it("passes the chain's refusal on", async () => {
    endpoint.refusal = new XcareError('REFUSED', 'no room')
    const refused = expect.objectContaining({ code: 'REFUSED', message: 'no room' })
    await expect((await open()).submit(TX)).rejects.toThrow(refused)
  })

  it('takes a refusal of what is there already for the echo it is', async () => {
    chain.take(TX)
    endpoint.refusal = new XcareError('REFUSED', 'This transaction is in a block already.')
    clock.ms = chain.timeMs + 500
    expect((await (await open()).submit(TX)).height).toBeGreaterThan(0)
  })

  it('goes to the next endpoint when one is gone', async () => {
    endpoint.down = new XcareError('OFFLINE', 'gone')
    const ledger = await open({ witnesses: [new FakeEndpoint(chain, 'second')] })
    expect((await ledger.submit(TX)).height).toBe(7)
  })

  it('never reports a refusal when an earlier try may have got through', async () => {
    endpoint.down = new XcareError('TIMEOUT', 'cut')
    const second = new FakeEndpoint(chain, 'second')
    second.refusal = new XcareError('REFUSED', 'no')
    await expect((await open({ witnesses: [second] })).submit(TX)).rejects.toThrow(code('TIMEOUT'))
  })

  it('does not believe an endpoint that swallows the transaction and names a block', async () => {
    endpoint.swallows = true
    clock.onSleep = () => {
      while (chain.timeMs + STEP_MS < clock.ms) chain.add()
    }
    const unknown = expect.objectContaining({ code: 'TIMEOUT', message: expect.stringMatching(/not known/) })
    await expect((await open()).submit(TX)).rejects.toThrow(unknown)
    expect((await (await open()).read(GRANT, 30_000)).value).toBeNull()
  })

  it('sends it by the next endpoint when the first one swallows it', async () => {
    endpoint.swallows = true
    const second = new FakeEndpoint(chain, 'second')
    const ledger = await open({ witnesses: [second] })
    await ledger.submit(TX)
    expect(second.asked).toContain('submit')
    expect((await ledger.read(GRANT, 30_000)).value).not.toBeNull()
  })

  it('sends it by the next endpoint when the first one serves an old state', async () => {
    const stale = new FakeChain(MEMBERS)
    stale.blocks.push(...chain.blocks)
    stale.trees.splice(0, 1, ...chain.trees)
    endpoint.chain = stale
    endpoint.swallows = true
    const second = new FakeEndpoint(chain, 'second')
    const ledger = await open({ witnesses: [second] })
    await ledger.submit(TX)
    expect((await ledger.read(GRANT, 30_000)).value).not.toBeNull()
  })

  it('does not wait for a block that no honest endpoint could name', async () => {
    const ledger = await open()
    endpoint.submit = async () => ({ height: 1e12 })
    const startMs = clock.ms
    await expect(ledger.submit(TX)).rejects.toThrow(code('TIMEOUT'))
    expect(clock.ms).toBe(startMs)
  })

  it('gives up when the claimed block never comes', async () => {
    const ledger = await open()
    endpoint.submit = async () => ({ height: 99 })
    await expect(ledger.submit(TX)).rejects.toThrow(code('TIMEOUT'))
  })
})

describe('several endpoints', () => {
  it('one that serves genuine but old blocks gives way to one that is up to date', async () => {
    const stale = new FakeChain(MEMBERS)
    stale.blocks.push(...chain.blocks.slice(0, 2))
    clock.ms = chain.timeMs + 500
    const ledger = await open({ provider: new FakeEndpoint(stale, 'stale'), witnesses: [endpoint] })
    expect((await ledger.head(30_000)).height).toBe(chain.height)
  })

  it('one that does not answer for a value is asked last from then on', async () => {
    const ledger = await open({ witnesses: [new FakeEndpoint(chain, 'second')] })
    endpoint.query = async () => {
      endpoint.asked.push('query')
      throw new XcareError('TIMEOUT', 'silent')
    }
    await ledger.read(KEY, 30_000)
    clock.ms += 1000
    await ledger.read(KEY, 30_000)
    expect(endpoint.asked.filter((what) => what === 'query')).toHaveLength(1)
  })
})
