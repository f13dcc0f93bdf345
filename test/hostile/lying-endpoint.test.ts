import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { toHex } from '../../src/bytes.ts'
import { effectOf } from '../../src/chain-anchor/app/effects.ts'
import type { Message, MessageType } from '../../src/chain-anchor/app/messages.ts'
import type { EmbeddedChain } from '../../src/chain-anchor/engine/open-embedded.ts'
import { openLedger } from '../../src/chain-anchor/light/ledger.ts'
import { rpcProvider } from '../../src/chain-anchor/light/rpc-provider.ts'
import { submitMessages } from '../../src/chain-anchor/light/submit-messages.ts'
import { type RpcServer, startRpc } from '../../src/chain-anchor/rpc/server.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import { firstLink, nextLink } from '../../src/custody/release/receipt.ts'
import { nodeIdOfKey } from '../../src/ids.ts'
import { SUBMIT_HEDGE_MS } from '../../src/limits.ts'
import type { Clock, Ledger } from '../../src/ports.ts'
import { CHAIN_ID, key, make, objectOf, person, seeded } from '../chain-anchor/app/chain-actors.ts'
import { openChain, testGenesis } from '../chain-anchor/engine/chain-folder.ts'
import { MemoryFolder } from '../chain-anchor/light/fake-ports.ts'
import { LyingEndpoint, stalls, standsStill, swallows } from './lying-endpoint.ts'

/**
 * A clock that runs ahead by what is slept; a deadline comes only when it is the first one of `impatience`.
 */
class HurriedClock implements Clock {
  readonly #impatience: Set<number>
  #aheadMs = 0

  constructor(impatience: number[] = []) {
    this.#impatience = new Set(impatience)
  }

  nowMs(): number {
    return Date.now() + this.#aheadMs
  }

  async sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    if (!signal) {
      this.#aheadMs += durationMs
      return wait(Math.min(durationMs, 5))
    }
    if (this.#impatience.delete(durationMs)) return
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  }
}

const real: Clock = {
  nowMs: () => Date.now(),
  sleep: async (ms, signal) => wait(ms, undefined, { signal }),
}

let chain: EmbeddedChain
let rpc: RpcServer
let liar: LyingEndpoint

beforeEach(async () => {
  chain = openChain({ clock: real, genesis: testGenesis([10], Date.now()) })
  rpc = await startRpc({ engine: chain.engine, port: 0 })
  liar = await LyingEndpoint.start(rpc.url)
})

afterEach(async () => {
  await liar.stop()
  await rpc.close()
})

/** A ledger that knows the chain through these endpoints alone, the first one first. */
function ledgerOf(...urls: string[]): Promise<Ledger> {
  return ledgerBy(new HurriedClock(), ...urls)
}

function ledgerBy(clock: Clock, ...urls: string[]): Promise<Ledger> {
  const [provider, ...witnesses] = urls.map((url) => rpcProvider(url, clock))
  const first = chain.engine.block(1)!
  const trust = { height: 1, hash: first.id.hash }
  return openLedger({ provider: provider!, witnesses, trust, store: new MemoryFolder(), clock })
}

const later = () => Date.now() + 3_600_000
const grant = () => make.grant('g', { notAfterMs: later() })
const guardianId = nodeIdOfKey(key('guardian a').publicKey)
const objectId = objectOf('o')
const ana = person('ana')

interface Case {
  message: () => Message
  signers: string[]
  /** What must be on the chain before. */
  before?: () => [Message[], string[]][]
}

const institutions: [Message[], string[]] = [[make.institution('a'), make.institution('b')], ['governor']]
const guardians: [Message[], string[]] = [
  [make.guardian('a'), make.guardian('b')],
  ['inst a', 'guardian a', 'inst b', 'guardian b'],
]
const node: [Message[], string[]] = [[make.node('a')], ['inst a', 'node a']]
const object: [Message[], string[]] = [
  [make.record('o', 'owner'), make.custody('o', 'owner', ['a', 'b'])],
  ['owner'],
]
const network = () => [institutions, guardians, node]

/** Every type that can be sent today: batches of receipts are of older programs. */
const CASES: Record<Exclude<MessageType, 'receipt.batch'>, Case> = {
  'institution.suspend': {
    message: () => ({ type: 'institution.suspend', instId: 'a', suspended: true }),
    signers: ['governor'],
    before: () => [institutions],
  },
  'node.retire': {
    message: () => ({
      type: 'node.retire',
      nodeId: nodeIdOfKey(key('node a').publicKey),
      status: 'retired',
    }),
    signers: ['node a'],
    before: () => [institutions, node],
  },
  'guardian.retire': {
    message: () => ({ type: 'guardian.retire', guardianId }),
    signers: ['guardian a'],
    before: () => [institutions, guardians],
  },
  'identity.rotate': {
    message: () => ana.rotate('next ana'),
    signers: ['next ana'],
    before: () => [[[ana.register], ['ana']]],
  },
  'custody.freeze': {
    message: () => ({ type: 'custody.freeze', objectId, frozen: true }),
    signers: ['owner'],
    before: () => [...network(), object],
  },
  'institution.register': { message: () => make.institution('a'), signers: ['governor'] },
  'node.register': {
    message: () => make.node('a'),
    signers: ['inst a', 'node a'],
    before: () => [institutions],
  },
  'guardian.register': {
    message: () => make.guardian('a'),
    signers: ['inst a', 'guardian a'],
    before: () => [institutions],
  },
  'identity.register': { message: () => ana.register, signers: ['ana'] },
  'record.anchor': { message: () => make.record('o', 'owner'), signers: ['owner'], before: network },
  'custody.record': {
    message: () => make.custody('o', 'owner', ['a', 'b']),
    signers: ['owner'],
    before: network,
  },
  'record.remove': {
    message: () => ({ type: 'record.remove', objectId }),
    signers: ['owner'],
    before: () => [...network(), object],
  },
  'custody.destroy': {
    message: () => ({ type: 'custody.destroy', objectId }),
    signers: ['owner'],
    before: () => [...network(), object],
  },
  'grant.create': { message: grant, signers: ['revoke g'] },
  'grant.revoke': {
    message: () => make.revoke('g'),
    signers: ['revoke g'],
    before: () => [[[grant()], ['revoke g']]],
  },
  'receipt.extend': {
    message: () => {
      const hashes = seeded('receipt')
      return {
        type: 'receipt.extend',
        guardianId,
        from: 0,
        hashes,
        head: nextLink(firstLink(CHAIN_ID, guardianId), hashes),
      }
    },
    signers: ['guardian a'],
    before: () => [institutions, guardians],
  },
}

async function submit(ledger: Ledger, messages: Message[], signers: string[]): Promise<{ height: number }> {
  return submitMessages({ ledger, random: systemRandom }, messages, signers.map(key))
}

/** @returns the message of a case, whose needs are on the chain now. */
async function prepared({ message, before }: Case): Promise<Message> {
  const honest = await ledgerOf(rpc.url)
  for (const [messages, signers] of before?.() ?? []) await submit(honest, messages, signers)
  return message()
}

async function isOnChain(message: Message): Promise<boolean> {
  const { key, shows } = effectOf(message)
  return shows((await (await ledgerOf(rpc.url)).read(key, 30_000)).value)
}

test.each(Object.entries(CASES))(
  '%s: swallowed by the only endpoint, it is not told done',
  async (type, one) => {
    const message = await prepared(one)
    liar.lie = swallows(type)
    const submitted = submit(await ledgerOf(liar.url), [message], one.signers)
    await expect(submitted).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: expect.stringMatching(/not known/),
    })
    expect(await isOnChain(message)).toBe(false)
  },
)

test.each(Object.entries(CASES))('%s: swallowed by one of two endpoints, it happens', async (type, one) => {
  const message = await prepared(one)
  liar.lie = swallows(type)
  await submit(await ledgerOf(liar.url, rpc.url), [message], one.signers)
  expect(await isOnChain(message)).toBe(true)
})

test('an endpoint that stalls gives way to the next', async () => {
  await submit(await ledgerOf(rpc.url), [grant()], ['revoke g'])
  liar.lie = stalls('grant.revoke')
  const impatient = new HurriedClock([SUBMIT_HEDGE_MS])
  await submit(await ledgerBy(impatient, liar.url, rpc.url), [make.revoke('g')], ['revoke g'])
  expect(await isOnChain(make.revoke('g'))).toBe(true)
})

test.each([0, -1, 2 ** 60, 1_000_000])(
  'a made-up block %d is not waited for, and nothing is told done',
  async (height) => {
    await submit(await ledgerOf(rpc.url), [grant()], ['revoke g'])
    liar.lie = swallows('grant.revoke', height)
    await expect(submit(await ledgerOf(liar.url), [make.revoke('g')], ['revoke g'])).rejects.toMatchObject({
      code: 'TIMEOUT',
    })
    expect(await isOnChain(make.revoke('g'))).toBe(false)
  },
)

test('an endpoint that shows an old chain hides nothing from who knows another one', async () => {
  await submit(await ledgerOf(rpc.url), [grant()], ['revoke g'])
  liar.lie = await standsStill(liar)
  const alone = submit(await ledgerOf(liar.url), [make.revoke('g')], ['revoke g'])
  await expect(alone).rejects.toMatchObject({ code: 'TIMEOUT' })
  await submit(await ledgerOf(liar.url, rpc.url), [make.revoke('g')], ['revoke g'])
  expect(await isOnChain(make.revoke('g'))).toBe(true)
})

test.each([
  '',
  'no json',
  '[]',
  '{"jsonrpc":"2.0","id":1,"result":{}}',
  '\0'.repeat(1000),
  'x'.repeat(9 * 2 ** 20),
])('garbage for an answer is one failure, not the end (%#)', async (text) => {
  liar.lie = () => ({ text })
  const message = grant()
  await submit(await ledgerOf(liar.url, rpc.url), [message], ['revoke g'])
  expect(await isOnChain(message)).toBe(true)
  await expect(submit(await ledgerOf(liar.url), [message], ['revoke g'])).rejects.toMatchObject({
    code: expect.stringMatching(/MALFORMED|TIMEOUT|OFFLINE/),
  })
})

test('every value it forges is refused', async () => {
  const message = grant()
  const { key: at } = effectOf(message)
  await submit(await ledgerOf(rpc.url), [message], ['revoke g'])
  liar.lie = async (asked) => {
    if (asked.method !== 'abci_query') return 'honest'
    const { response } = (await liar.truth(asked.method, asked.params)) as {
      response: Record<string, unknown>
    }
    return { result: { response: { ...response, value: Buffer.from(toHex(at)).toString('base64') } } }
  }
  await expect((await ledgerOf(liar.url)).read(at, 30_000)).rejects.toMatchObject({ code: 'INTEGRITY' })
  expect((await (await ledgerOf(liar.url, rpc.url)).read(at, 30_000)).value).not.toBeNull()
})
