import { beforeEach, describe, expect, it } from 'vitest'
import { decodeLightBlock } from '../../../src/chain-anchor/comet/decode.ts'
import { LightClient, type LightClientOptions } from '../../../src/chain-anchor/light/client.ts'
import { ForkError } from '../../../src/chain-anchor/light/detector.ts'
import { XcareError } from '../../../src/errors.ts'
import { HEADER_DRIFT_MS, TRUSTING_PERIOD_MS } from '../../../src/limits.ts'
import { FakeChain, FakeEndpoint, members, START_MS } from './fake-chain.ts'
import { FakeClock, MemoryFolder } from './fake-ports.ts'

const DAY_MS = 86_400_000
const MEMBERS = members(4)
const code = (name: string) => expect.objectContaining({ code: name })

let chain: FakeChain
let endpoint: FakeEndpoint
let folder: MemoryFolder
let clock: FakeClock

beforeEach(() => {
  chain = new FakeChain(MEMBERS).grow(10)
  endpoint = new FakeEndpoint(chain)
  folder = new MemoryFolder()
  clock = new FakeClock(chain.timeMs + 1000)
})

const open = (change: Partial<LightClientOptions> = {}) =>
  LightClient.open({ trust: chain.trust, endpoints: [endpoint], store: folder, clock, ...change })

describe('sync', () => {
  it('goes from the trust root to the newest header in one step', async () => {
    const client = await open()
    expect(client.newest).toBeNull()
    expect((await client.sync()).header).toEqual(chain.at(10).header)
    expect(endpoint.asked).toEqual(['commit 1', 'validators 1', 'commit 10'])
    chain.grow(1)
    expect((await client.sync()).header.height).toBe(11)
    expect(endpoint.asked.slice(3)).toEqual(['commit 11'])
  })

  it('overlapping calls share one sync', async () => {
    const client = await open()
    await Promise.all([client.sync(), client.sync(), client.sync()])
    expect(endpoint.asked.filter((what) => what === 'commit 10').length).toBe(1)
  })

  it('bisects where validators changed too much', async () => {
    chain = new FakeChain((height) => members(4, Math.floor(height / 3))).grow(40)
    endpoint.chain = chain
    clock.ms = chain.timeMs
    const client = await open()
    expect((await client.sync()).header.height).toBe(40)
    const fetched = endpoint.asked.filter((what) => what.startsWith('commit'))
    expect(fetched.length).toBeGreaterThan(4)
    expect(fetched.length).toBeLessThan(30)
  })

  it('refuses a trust root with another hash', async () => {
    const client = await open({ trust: { height: 2, hash: chain.trust.hash } })
    await expect(client.sync()).rejects.toThrow(code('INTEGRITY'))
  })

  it('refuses another chain id', async () => {
    await expect((await open({ chainId: 'other-1' })).sync()).rejects.toThrow(code('INTEGRITY'))
    await expect((await open({ chainId: 'fake-1' })).sync()).resolves.toBeTruthy()
  })

  it('refuses to go on from a block older than the trusting period, and says what to do', async () => {
    clock.ms = START_MS + TRUSTING_PERIOD_MS
    const refusal = expect.objectContaining({
      code: 'REFUSED',
      message: expect.stringContaining('14 days'),
      next: expect.stringContaining('clock'),
    })
    await expect((await open()).sync()).rejects.toThrow(refusal)
  })

  it('refuses forged newest headers', async () => {
    endpoint.chain = new FakeChain(members(4, 50)).grow(12)
    endpoint.chain.blocks.splice(0, 10, ...chain.blocks)
    await expect((await open()).sync()).rejects.toThrow(XcareError)
  })

  it('tells a clock that is behind apart from everything else', async () => {
    clock.ms = chain.timeMs - 3_600_000
    const skew = expect.objectContaining({
      code: 'CLOCK_SKEW',
      message: expect.stringContaining('1 hour behind'),
    })
    await expect((await open()).sync()).rejects.toThrow(skew)
    clock.ms = chain.timeMs - HEADER_DRIFT_MS + 1
    await expect((await open()).sync()).resolves.toBeTruthy()
  })
})

describe('several endpoints', () => {
  it('fails over, and keeps to the endpoint that answered', async () => {
    const second = new FakeEndpoint(chain, 'second')
    endpoint.down = new XcareError('OFFLINE', 'gone')
    const client = await open({ endpoints: [endpoint, second] })
    expect((await client.sync()).header.height).toBe(10)
    expect(client.endpoints[0]).toBe(second)
  })

  it('looks where the chain is now when none answers', async () => {
    const moved = new FakeEndpoint(chain, 'moved')
    endpoint.down = new XcareError('OFFLINE', 'gone')
    const client = await open({ renew: async () => [new FakeEndpoint(chain), moved] })
    expect((await client.sync()).header.height).toBe(10)
    expect(client.endpoints[0]).toBe(moved)
    moved.down = endpoint.down
    await expect(client.sync()).rejects.toThrow(code('OFFLINE'))
  })

  it('says offline when none answers', async () => {
    endpoint.down = new XcareError('OFFLINE', 'gone')
    await expect((await open()).sync()).rejects.toThrow(code('OFFLINE'))
  })

  it('one lying endpoint does not stop the others; alone it is named', async () => {
    const liar = new FakeEndpoint(new FakeChain(members(4, 9)).grow(10), 'liar')
    const client = await open({ endpoints: [liar, endpoint] })
    expect((await client.sync()).header).toEqual(chain.at(10).header)
    const alone = (await open({ endpoints: [liar], store: new MemoryFolder() })).sync()
    await expect(alone).rejects.toThrow(
      expect.objectContaining({ code: 'INTEGRITY', message: expect.stringContaining('liar') }),
    )
  })

  it('an endpoint that is behind is passed over', async () => {
    const client = await open()
    await client.sync()
    endpoint.chain = new FakeChain(MEMBERS).grow(5)
    await expect(client.sync()).rejects.toThrow(code('OFFLINE'))
    expect(client.newest!.header.height).toBe(10)
  })

  it('witnesses that are down, behind or forging prove nothing', async () => {
    const witnesses = [
      new FakeEndpoint(chain, 'down'),
      new FakeEndpoint(chain, 'behind'),
      new FakeEndpoint(chain, 'forging'),
    ]
    witnesses[0]!.down = new XcareError('TIMEOUT', 'slow')
    witnesses[1]!.chain = new FakeChain(MEMBERS).grow(2)
    witnesses[2]!.chain = new FakeChain(members(4, 70)).grow(12)
    const client = await open({ endpoints: [endpoint, ...witnesses] })
    expect((await client.sync()).header.height).toBe(10)
  })

  it('a fork shown by one of two witnesses stops everything and leaves evidence', async () => {
    const fork = chain.forkAt(9)
    const honest = new FakeEndpoint(chain, 'honest')
    const client = await open({ endpoints: [endpoint, honest, new FakeEndpoint(fork, 'other')] })
    const error = await client.sync().catch((caught) => caught)
    expect(error).toBeInstanceOf(ForkError)
    expect(error.code).toBe('INTEGRITY')
    expect(error.fork.primary.header.dataHash).not.toEqual(error.fork.witness.header.dataHash)
    const evidence = folder.files.get('fork-10')!
    const length = new DataView(evidence.buffer).getUint32(0)
    expect(decodeLightBlock(evidence.slice(4, 4 + length)).header).toEqual(chain.at(1).header)
    await expect(client.sync()).rejects.toBe(error)
    expect(client.newest).toBeNull()
  })

  it('nobody waits for a slow witness, but the fork it proves stops everything when it comes', async () => {
    const fork = chain.forkAt(9)
    const slow = new FakeEndpoint(fork, 'slow')
    const answer = slow.signedHeader.bind(slow)
    const gate = Promise.withResolvers<void>()
    slow.signedHeader = async (height) => {
      await gate.promise
      return answer(height)
    }
    clock.sleep = () => Promise.resolve()
    const client = await open({ endpoints: [endpoint, slow] })
    expect((await client.sync()).header.height).toBe(10)
    chain.grow(1)
    expect((await client.sync()).header.height).toBe(11)
    gate.resolve()
    await expect.poll(() => folder.files.has('fork-10')).toBe(true)
    await expect(client.sync()).rejects.toBeInstanceOf(ForkError)
  })

  it('a fork at the height already trusted is noticed too', async () => {
    const client = await open()
    await client.sync()
    endpoint.chain = chain.forkAt(9)
    await expect(client.sync()).rejects.toBeInstanceOf(ForkError)
  })
})

describe('persistence', () => {
  it('goes on from the kept block without asking for the trust root', async () => {
    await (await open()).sync()
    chain.grow(3)
    clock.ms = chain.timeMs
    const again = await open()
    expect(again.newest!.header.height).toBe(10)
    endpoint.asked.length = 0
    await again.sync()
    expect(endpoint.asked).toEqual(['commit 13', 'commit 10'])
  })

  it('ignores a kept block with any byte changed or cut off', async () => {
    await (await open()).sync()
    const sound = folder.files.get('light-block')!
    for (let at = 0; at < sound.length; at += 7) {
      const damaged = sound.slice()
      damaged[at]! ^= 1 << (at % 8)
      folder.files.set('light-block', damaged)
      expect((await open()).newest).toBeNull()
      folder.files.set('light-block', sound.slice(0, at))
      expect((await open()).newest).toBeNull()
    }
  })

  it('keeps what was verified from another trust root, and has no use for a block of another chain', async () => {
    await (await open()).sync()
    const other = { height: 2, hash: chain.at(2).commit.blockId.hash }
    expect((await open({ trust: other })).newest!.header.height).toBe(10)
    expect((await open({ chainId: 'other-1' })).newest).toBeNull()
  })

  it('keeps one header a day and cuts a torn tail off', async () => {
    chain = new FakeChain(MEMBERS)
    for (let day = 0; day < 3; day++)
      for (let part = 0; part < 3; part++) {
        const ms = START_MS + day * DAY_MS + part * 1_800_000
        chain.add([], { time: { seconds: ms / 1000, nanos: 0 } })
      }
    endpoint.chain = chain
    const blocks = chain.blocks.splice(1)
    clock.ms = START_MS
    const client = await open()
    for (const block of blocks) {
      chain.blocks.push(block)
      clock.ms = block.header.time.seconds * 1000 + 1000
      await client.sync()
    }
    const days = (await client.dailyHeaders()).map(({ height }) => height)
    expect(days).toEqual([2, 4, 7])
    const log = folder.files.get('headers.log')!
    expect(log.length / 3).toBeLessThan(420)
    folder.files.set('headers.log', log.slice(0, -5))
    const again = await open()
    expect((await again.dailyHeaders()).map(({ height }) => height)).toEqual([2, 4])
    expect(folder.files.get('headers.log')!.length).toBe((log.length / 3) * 2)
  })
})
