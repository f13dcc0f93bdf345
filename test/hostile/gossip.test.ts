import { describe, expect, test } from 'vitest'
import { decodeCbor, encodeCbor } from '../../src/cbor.ts'
import { latestEpochKey } from '../../src/chain-anchor/app/keys.ts'
import { epochValue, guardianValue } from '../../src/chain-anchor/app/values.ts'
import { encodeLightBlock } from '../../src/chain-anchor/comet/encode.ts'
import { timeFromMs } from '../../src/chain-anchor/comet/time.ts'
import { Members } from '../../src/chain-anchor/light/members.ts'
import { relayChainGossip, relayNotices } from '../../src/chain-anchor/light/relay.ts'
import { kemKeyFromSeed } from '../../src/crypto/envelope.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import type { SigningKey } from '../../src/crypto/sign.ts'
import { NOTICE_TOPIC, sealNotice } from '../../src/custody/notice.ts'
import { XcareError } from '../../src/errors.ts'
import { type NodeId, nodeIdOfKey } from '../../src/ids.ts'
import { GOSSIP_AGE_MS_MAX, NOTICE_RATE, TX_GOSSIP_RATE } from '../../src/limits.ts'
import type { Broadcast, Ledger } from '../../src/ports.ts'
import { HEADERS_TOPIC, TXS_TOPIC } from '../../src/wire/topics.ts'
import { make, tx } from '../chain-anchor/app/chain-actors.ts'
import { FakeChain, sign, members as validators, validatorsOf } from '../chain-anchor/light/fake-chain.ts'
import { Stranger } from './stranger.ts'

const stranger = new Stranger()
const NEIGHBOUR = 'a neighbour' as NodeId

/** What a peer does with a payload: carries it on, holds it against its neighbour, or leaves it alone. */
type Verdict = 'carried' | 'held against' | 'left alone'

/** The gossip of one peer, and what it makes of each payload. */
class Topics implements Broadcast {
  readonly #accepts = new Map<string, Parameters<Broadcast['subscribe']>[1]>()

  publish = async () => 0

  subscribe: Broadcast['subscribe'] = (topic, accept) => void this.#accepts.set(topic, accept)

  async hear(topic: string, payload: Uint8Array, from = NEIGHBOUR): Promise<Verdict> {
    try {
      return (await this.#accepts.get(topic)!(payload, from)) ? 'carried' : 'held against'
    } catch (error) {
      const isForged = error instanceof XcareError && ['MALFORMED', 'INTEGRITY'].includes(error.code)
      return isForged ? 'held against' : 'left alone'
    }
  }
}

/** A chain whose newest epoch names these guardians and nothing else. */
async function membersOf(guardians: SigningKey[]): Promise<Members> {
  const none = new Uint8Array(32)
  const nobody = encodeCbor([])
  const list = encodeCbor(
    guardians.map(({ publicKey }) =>
      decodeCbor(
        guardianValue.encode({
          ...{ guardianId: nodeIdOfKey(publicKey), instId: 'inst', signKey: publicKey },
          ...{
            kemKey: new Uint8Array(1216),
            jurisdiction: 'north',
            addresses: [],
            epoch: 1,
            status: 'active',
          },
        }),
      ),
    ),
  )
  const hashes = { seed: none, tableHash: none, nodesHash: sha256(nobody), guardiansHash: sha256(list) }
  const epoch = epochValue.encode({ epoch: 1, height: 1, ...hashes, nodeCount: 0 })
  const ledger = {
    read: async (key: Uint8Array) => ({
      value: key.join() === latestEpochKey().join() ? epoch : null,
      height: 1,
      timeMs: 0,
    }),
    blob: async (hash: Uint8Array) => (hash.join() === hashes.nodesHash.join() ? nobody : list),
  }
  const members = new Members(ledger as unknown as Ledger)
  await members.refresh()
  return members
}

describe('notices', () => {
  const network = 'xcare-test'
  const clock = { now: 1_900_000_000_000, nowMs: () => clock.now }
  const guardian = stranger.key()

  async function carrier(): Promise<Topics> {
    const topics = new Topics()
    relayNotices(topics, { network, clock, members: await membersOf([guardian]) })
    return topics
  }

  async function notice(key: SigningKey, timeMs = clock.now): Promise<Uint8Array> {
    const { publicKey } = await kemKeyFromSeed(systemRandom.bytes(32))
    const to = { noticeKey: publicKey, noticeTag: systemRandom.bytes(32) }
    const from = { network, guardianId: nodeIdOfKey(key.publicKey) }
    return sealNotice(key, from, to, systemRandom.bytes(100), systemRandom.bytes(16), timeMs)
  }

  test('of a guardian are carried, each once; of a self-made one they are not', async () => {
    const topics = await carrier()
    const good = await notice(guardian)
    expect(await topics.hear(NOTICE_TOPIC, good)).toBe('carried')
    expect(await topics.hear(NOTICE_TOPIC, good)).toBe('left alone')
    expect(await topics.hear(NOTICE_TOPIC, await notice(stranger.key()))).toBe('left alone')
    expect(await topics.hear(NOTICE_TOPIC, Uint8Array.of(1, 2, 3))).toBe('held against')
  })

  test('of another time are not carried again', async () => {
    const topics = await carrier()
    for (const off of [-1, 1])
      expect(
        await topics.hear(NOTICE_TOPIC, await notice(guardian, clock.now + off * (GOSSIP_AGE_MS_MAX + 1))),
      ).toBe('left alone')
  })

  test('of one guardian are carried at a bounded rate', async () => {
    const topics = await carrier()
    const { publicKey } = await kemKeyFromSeed(systemRandom.bytes(32))
    const to = { noticeKey: publicKey, noticeTag: systemRandom.bytes(32) }
    const from = { network, guardianId: nodeIdOfKey(guardian.publicKey) }
    const verdicts: Verdict[] = []
    for (let at = 0; at < NOTICE_RATE.perHolder.burst + 20; at++) {
      const payload = await sealNotice(
        guardian,
        from,
        to,
        new Uint8Array(1),
        systemRandom.bytes(16),
        clock.now,
      )
      verdicts.push(await topics.hear(NOTICE_TOPIC, payload))
    }
    expect(verdicts.filter((verdict) => verdict === 'carried')).toHaveLength(NOTICE_RATE.perHolder.burst)
    expect(verdicts.at(-1)).toBe('left alone')
  })
})

describe('the gossip of the chain', () => {
  const chain = new FakeChain(validators(4)).grow(6)
  const clock = { now: chain.timeMs, nowMs: () => clock.now }

  async function carrier(): Promise<Topics> {
    const topics = new Topics()
    const ledger = { nextValidatorsHash: () => chain.at(3).header.nextValidatorsHash }
    relayChainGossip(topics, { network: chain.chainId, clock, ledger, members: await membersOf([]) })
    return topics
  }

  test('carries new headers of the validators there are, each height once', async () => {
    const topics = await carrier()
    expect(await topics.hear(HEADERS_TOPIC, encodeLightBlock(chain.at(5)))).toBe('carried')
    expect(await topics.hear(HEADERS_TOPIC, encodeLightBlock(chain.at(5)))).toBe('left alone')
    expect(await topics.hear(HEADERS_TOPIC, encodeLightBlock(chain.at(4)))).toBe('left alone')
    expect(await topics.hear(HEADERS_TOPIC, encodeLightBlock(chain.at(6)))).toBe('carried')
  })

  test('carries no header of validators of one’s own, and none of another time', async () => {
    const topics = await carrier()
    const own = new FakeChain(validators(4, 50)).grow(6)
    expect(await topics.hear(HEADERS_TOPIC, encodeLightBlock(own.at(6)))).toBe('left alone')
    const late = timeFromMs(clock.now + GOSSIP_AGE_MS_MAX + 60_000)
    const header = chain.header({ time: late })
    const ahead = { header, commit: sign(header, validators(4)), validators: validatorsOf(validators(4)) }
    expect(await topics.hear(HEADERS_TOPIC, encodeLightBlock(ahead))).toBe('left alone')
  })

  test('carries as many transactions of one neighbour as it may send, and still those of another', async () => {
    const topics = await carrier()
    const own = tx('g', [make.grant('g')], ['revoke g'], { chainId: chain.chainId })
    const verdicts: Verdict[] = []
    for (let at = 0; at < TX_GOSSIP_RATE.perHolder.burst + 20; at++)
      verdicts.push(await topics.hear(TXS_TOPIC, own))
    expect(verdicts.filter((verdict) => verdict === 'left alone').length).toBeGreaterThanOrEqual(20)
    expect([verdicts[0], verdicts.at(-1)]).toEqual(['carried', 'left alone'])
    expect(await topics.hear(TXS_TOPIC, own, 'another' as NodeId)).toBe('carried')
  })
})
