import { beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../../src/bytes.ts'
import { timeFromMs } from '../../../src/chain-anchor/comet/time.ts'
import { LightClient, type LightClientOptions } from '../../../src/chain-anchor/light/client.ts'
import { RollbackError } from '../../../src/chain-anchor/light/detector.ts'
import { LightStore } from '../../../src/chain-anchor/light/store.ts'
import { sha256 } from '../../../src/crypto/hash.ts'
import { FIXED_SET_TRUST_MS, TRUSTING_PERIOD_MS } from '../../../src/limits.ts'
import { FakeChain, FakeEndpoint, members } from './fake-chain.ts'
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
  LightClient.open({
    ...{ trust: chain.trust, chainId: 'fake-1', endpoints: [endpoint], store: folder, clock },
    ...change,
  })

/** The chain as a copy from block `height` has it, which goes on at the time it is now. */
function putBack(height: number, blocks: number): FakeChain {
  const copy = chain.forkAt(height)
  copy.blocks.pop()
  copy.trees.pop()
  for (let made = 0; made < blocks; made++)
    copy.add([], { time: timeFromMs(clock.ms + made), dataHash: sha256(utf8(`again ${made}`)) })
  clock.ms += 10_000
  return copy
}

/** Another trust root, as whoever put the chain back would name it. */
const newRoot = (copy: FakeChain) => ({ height: copy.height, hash: copy.at(copy.height).commit.blockId.hash })

describe('a chain that was put back to an earlier state', () => {
  it.each([
    ['before it has grown past what was verified', 2],
    ['when it has just as many blocks', 4],
    ['when it has grown past it', 7],
  ])('is refused and named %s', async (_, blocks) => {
    await (await open()).sync()
    endpoint.chain = putBack(6, blocks)
    const again = await open({ trust: newRoot(endpoint.chain) })
    const error = await again.sync().catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(RollbackError)
    expect(error).toMatchObject({
      code: 'INTEGRITY',
      message: expect.stringMatching(/put back to an earlier state/),
    })
    expect((error as RollbackError).next).toContain('light trust')
    expect([...folder.files.keys()]).toContain('fork-10')
  })

  it('is refused by a client that ran all the while', async () => {
    const client = await open()
    await client.sync()
    endpoint.chain = putBack(6, 20)
    await expect(client.sync()).rejects.toBeInstanceOf(RollbackError)
    expect(client.newest!.header.height).toBe(10)
  })

  it('is refused within the same second, when its next block names another one before it', async () => {
    const client = await open()
    await client.sync()
    endpoint.chain = putBack(6, 5)
    clock.ms -= 10_000
    await expect(client.sync()).rejects.toBeInstanceOf(RollbackError)
  })

  it('is not refused any more once the newest copy is back', async () => {
    const client = await open()
    await client.sync()
    endpoint.chain = putBack(6, 20)
    await expect(client.sync()).rejects.toBeInstanceOf(RollbackError)
    chain.grow(3)
    endpoint.chain = chain
    clock.ms = chain.timeMs + 1000
    expect((await client.sync()).header.height).toBe(13)
  })

  it('is passed over while another endpoint has the chain that was verified', async () => {
    await (await open()).sync()
    const right = new FakeEndpoint(chain, 'right')
    endpoint.chain = putBack(6, 2)
    const client = await open({ endpoints: [endpoint, right] })
    expect((await client.sync()).header.height).toBe(10)
  })

  it('is refused when the newest block was lost here, by the log of days', async () => {
    for (let day = 1; day <= 2; day++) chain.add([], { time: timeFromMs(clock.ms + day * DAY_MS) })
    clock.ms += 2 * DAY_MS
    await (await open()).sync()
    folder.files.delete('light-block')
    endpoint.chain = putBack(6, 20)
    await expect((await open()).sync()).rejects.toThrow(code('INTEGRITY'))
  })

  it('is taken once a person says so', async () => {
    await (await open()).sync()
    endpoint.chain = putBack(6, 2)
    const store = new LightStore(folder, 'fake-1')
    const before = await store.trust(endpoint.chain.at(8))
    expect(before!.header.height).toBe(10)
    expect((await (await open()).sync()).header.height).toBe(8)
  })
})

describe('an endpoint that is only behind', () => {
  it('is no enemy: others are asked, else it is waited for', async () => {
    await (await open()).sync()
    const behind = new FakeChain(MEMBERS)
    behind.blocks.push(...chain.blocks.slice(0, 7))
    endpoint.chain = behind
    const late = expect.objectContaining({
      code: 'OFFLINE',
      message: expect.stringMatching(/behind.*above 7/),
    })
    await expect((await open()).sync()).rejects.toThrow(late)
    const client = await open({ endpoints: [endpoint, new FakeEndpoint(chain, 'second')] })
    expect((await client.sync()).header.height).toBe(10)
    expect([...folder.files.keys()].filter((name) => name.startsWith('fork'))).toEqual([])
  })
})

describe('what is verified is remembered', () => {
  it('by chain: one chain is not forgotten for another', async () => {
    await (await open()).sync()
    const other = new FakeChain(members(3, 40))
    Object.assign(other, { chainId: 'fake-2' })
    other.grow(4)
    const at = { chainId: 'fake-2', trust: other.trust, endpoints: [new FakeEndpoint(other)] }
    await (await open(at)).sync()
    expect((await open()).newest!.header.height).toBe(10)
    expect((await open(at)).newest!.header.height).toBe(4)
  })

  it('durably, at the first look and once a second', async () => {
    const kept = async () => (await new LightStore(folder, 'fake-1').load())!.header.height
    const client = await open()
    await client.sync()
    expect(await kept()).toBe(10)
    chain.grow(1)
    await client.sync()
    expect(await kept()).toBe(10)
    chain.grow(1)
    clock.ms = chain.timeMs + 1000
    await client.sync()
    await client.keep()
    expect(await kept()).toBe(12)
  })
})

describe('a long sleep', () => {
  const asleep = (ms: number) => {
    chain.add([], { time: timeFromMs(chain.timeMs + ms) })
    clock.ms += ms
  }

  it('ends the use of a header after the trusting period where validators may change', async () => {
    await (await open()).sync()
    asleep(TRUSTING_PERIOD_MS + DAY_MS)
    const refused = expect.objectContaining({ code: 'REFUSED', next: expect.stringContaining('light trust') })
    await expect((await open()).sync()).rejects.toThrow(refused)
    await expect((await open({ fixedSetVersion: 0 })).sync()).rejects.toThrow(refused)
  })

  it('does no harm where the rules never change the validators', async () => {
    await (await open({ fixedSetVersion: 1 })).sync()
    asleep(2 * TRUSTING_PERIOD_MS)
    expect((await (await open({ fixedSetVersion: 1 })).sync()).header.height).toBe(11)
    const fresh = await open({ fixedSetVersion: 1, store: new MemoryFolder() })
    expect((await fresh.sync()).header.height).toBe(11)
  })

  it('has an end there too', async () => {
    await (await open({ fixedSetVersion: 1 })).sync()
    asleep(FIXED_SET_TRUST_MS)
    await expect((await open({ fixedSetVersion: 1 })).sync()).rejects.toThrow(code('REFUSED'))
  })

  it('is never an excuse for other validators, whatever they call themselves', async () => {
    await (await open({ fixedSetVersion: 1 })).sync()
    const others = new FakeChain((height) => (height <= 10 ? MEMBERS : [...MEMBERS, ...members(1, 50)]))
    others.blocks.push(...chain.blocks)
    others.add([], { time: timeFromMs(chain.timeMs + 2 * TRUSTING_PERIOD_MS) })
    others.add([], { time: timeFromMs(chain.timeMs + 2 * TRUSTING_PERIOD_MS + 1) })
    endpoint.chain = others
    clock.ms += 2 * TRUSTING_PERIOD_MS
    await expect((await open({ fixedSetVersion: 1 })).sync()).rejects.toThrow(code('REFUSED'))
  })

  it('does not hold when the clock is set back afterwards', async () => {
    const client = await open({ fixedSetVersion: 1 })
    await client.sync()
    clock.ms += 16 * DAY_MS
    expect((await client.sync()).header.height).toBe(10)
    clock.ms -= 16 * DAY_MS
    chain.grow(1)
    clock.ms += 5000
    expect((await client.sync()).header.height).toBe(11)
  })
})
