import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromBase64, toBase64 } from '../../../src/chain-anchor/comet/base64.ts'
import {
  decodeBlockId,
  decodeCommit,
  decodeHeader,
  decodeLightBlock,
  decodeTime,
} from '../../../src/chain-anchor/comet/decode.ts'
import { encodeLightBlock } from '../../../src/chain-anchor/comet/encode.ts'
import {
  blockIdFromJson,
  commitFromJson,
  commitToJson,
  headerFromJson,
  headerToJson,
  validatorFromJson,
  validatorToJson,
} from '../../../src/chain-anchor/comet/json.ts'
import { nextTurn, updateValidators } from '../../../src/chain-anchor/comet/proposer.ts'
import {
  addMs,
  compareTime,
  timeFromMs,
  timeFromText,
  timeToMs,
  timeToText,
} from '../../../src/chain-anchor/comet/time.ts'
import { ZERO_TIME } from '../../../src/chain-anchor/comet/types.ts'
import {
  checkValidators,
  TOTAL_POWER_MAX,
  totalPower,
  validatorsHash,
} from '../../../src/chain-anchor/comet/validators.ts'
import { XcareError } from '../../../src/errors.ts'
import { FakeChain, members, validatorsOf } from '../light/fake-chain.ts'

const malformed = expect.objectContaining({ code: 'MALFORMED' })
const integrity = expect.objectContaining({ code: 'INTEGRITY' })
const chain = new FakeChain(members(4)).grow(2)
const block = chain.at(2)

function failsCleanly(read: () => unknown): void {
  try {
    read()
  } catch (error) {
    expect(error).toBeInstanceOf(XcareError)
  }
}

describe('decoders', () => {
  it('give back what was encoded', () => {
    expect(decodeLightBlock(encodeLightBlock(block))).toEqual(block)
  })

  it('fail cleanly on every cut and on noise in a real block', () => {
    const encoded = encodeLightBlock(block)
    for (let length = 0; length < encoded.length; length += 3)
      failsCleanly(() => decodeLightBlock(encoded.slice(0, length)))
    const noise = fc.tuple(fc.nat(encoded.length - 1), fc.nat(255))
    fc.assert(
      fc.property(noise, ([at, byte]) => failsCleanly(() => decodeLightBlock(encoded.with(at, byte)))),
      { numRuns: 1000 },
    )
  })

  it('fail cleanly on random bytes', () => {
    const decoders = [decodeLightBlock, decodeHeader, decodeCommit, decodeBlockId, decodeTime]
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        for (const decode of decoders) failsCleanly(() => decode(bytes))
      }),
      { numRuns: 500 },
    )
  })
})

describe('JSON', () => {
  it('gives back headers, commits and validators', () => {
    const through = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown
    expect(headerFromJson(through(headerToJson(block.header)))).toEqual(block.header)
    expect(commitFromJson(through(commitToJson(block.commit)))).toEqual(block.commit)
    expect(block.validators.map((each) => validatorFromJson(through(validatorToJson(each))))).toEqual(
      block.validators,
    )
  })

  it('takes missing members as zero, as upstream leaves them out', () => {
    const { version: _, ...rest } = headerToJson(block.header)
    expect(headerFromJson(rest).version).toEqual({ block: 0, app: 0 })
    expect(blockIdFromJson(null).hash.length).toBe(0)
  })

  it.each<[string, (json: Record<string, unknown>) => void]>([
    ['a height that is not a number', (json) => Object.assign(json, { height: '1e3' })],
    ['a height beyond the safe range', (json) => Object.assign(json, { height: '9007199254740993' })],
    ['a time without zone', (json) => Object.assign(json, { time: '2020-01-01T00:00:00' })],
    ['a hash of 31 bytes', (json) => Object.assign(json, { data_hash: 'AB'.repeat(31) })],
    ['a hash that is no hex', (json) => Object.assign(json, { data_hash: 'XY'.repeat(32) })],
    ['an endless app hash', (json) => Object.assign(json, { app_hash: 'AB'.repeat(100) })],
    ['an endless chain id', (json) => Object.assign(json, { chain_id: 'x'.repeat(51) })],
    ['an address of 32 bytes', (json) => Object.assign(json, { proposer_address: 'AB'.repeat(32) })],
  ])('refuses %s', (_, change) => {
    const json = headerToJson(block.header)
    change(json)
    expect(() => headerFromJson(json)).toThrow(malformed)
  })

  it('refuses keys of other kinds and powers that are not integers', () => {
    const json = validatorToJson(block.validators[0]!)
    expect(() =>
      validatorFromJson({ ...json, pub_key: { type: 'tendermint/PubKeySecp256k1', value: 'AA==' } }),
    ).toThrow(malformed)
    expect(() => validatorFromJson({ ...json, voting_power: '1.5' })).toThrow(malformed)
  })

  it('fails cleanly on any JSON', () => {
    const readers = [headerFromJson, commitFromJson, blockIdFromJson, validatorFromJson]
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        for (const read of readers) failsCleanly(() => read(value))
      }),
      { numRuns: 300 },
    )
    const json = {
      ...headerToJson(block.header),
      ...commitToJson(block.commit),
      ...validatorToJson(block.validators[0]!),
    }
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(json)), fc.jsonValue(), (name, value) => {
        for (const read of readers) failsCleanly(() => read({ ...json, [name]: value }))
      }),
      { numRuns: 300 },
    )
  })
})

describe('base64', () => {
  it('has one text for each byte string', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
        expect(fromBase64(toBase64(bytes), 50)).toEqual(bytes)
      }),
    )
    for (const text of ['A', 'AA', 'AA=', 'AB==', 'AAB=', 'A===', '====', 'AA==AA==', 'A-==', 'AA ='])
      expect(() => fromBase64(text, 50)).toThrow(malformed)
    expect(() => fromBase64('AAAA', 2)).toThrow(malformed)
    expect(fromBase64(toBase64(new Uint8Array(3_000_000)), 3_000_000).length).toBe(3_000_000)
  })
})

describe('time', () => {
  it('reads and writes text with nanoseconds', () => {
    for (const text of [
      '2020-09-14T16:33:54.21191421Z',
      '2019-10-13T16:14:44Z',
      '0001-01-01T00:00:00Z',
      '2023-09-07T14:22:28.000000001Z',
    ])
      expect(timeToText(timeFromText(text))).toBe(text)
    expect(timeFromText('0001-01-01T00:00:00Z')).toEqual(ZERO_TIME)
  })

  it.each([
    '',
    'now',
    '2020-13-01T00:00:00Z',
    '2020-01-01T00:00:00+02:00',
    '2020-01-01T00:00:00.1234567890Z',
    '2020-01-01',
  ])('refuses "%s"', (text) => {
    expect(() => timeFromText(text)).toThrow(malformed)
  })

  it('adds and compares milliseconds', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -1e12, max: 2e12 }),
        fc.integer({ min: -1e12, max: 1e12 }),
        (ms, more) => {
          const time = timeFromMs(ms)
          expect(timeToMs(time)).toBe(ms)
          expect(addMs(time, more)).toEqual(timeFromMs(ms + more))
          expect(Math.sign(compareTime(time, addMs(time, more)))).toBe(-Math.sign(more) + 0)
        },
      ),
    )
  })
})

describe('validator sets', () => {
  const set = validatorsOf(members(4))

  it.each<[string, () => typeof set]>([
    ['an empty set', () => []],
    ['another order', () => [...set].reverse()],
    ['one validator twice', () => [set[0]!, set[0]!, set[1]!]],
    ['an address that is not of the key', () => [{ ...set[0]!, address: set[1]!.address }]],
    ['no power', () => [{ ...set[0]!, power: 0n }]],
    ['too much power', () => [{ ...set[0]!, power: TOTAL_POWER_MAX + 1n }]],
    ['more than 10,000', () => new Array(10_001).fill(set[0]!)],
  ])('refuses %s', (_, make) => {
    expect(() => checkValidators(make())).toThrow(integrity)
  })

  it('takes turns in proportion to power', () => {
    let turn = nextTurn(updateValidators([], set))
    const turns = new Map<bigint, number>()
    const total = Number(totalPower(set))
    for (let at = 0; at < total * 10; at++) {
      turns.set(turn.proposer.power, (turns.get(turn.proposer.power) ?? 0) + 1)
      turn = nextTurn(turn.validators)
    }
    for (const { power } of set)
      expect(Math.abs(turns.get(power)! - Number(power) * 10)).toBeLessThanOrEqual(2)
  })

  it('adds, changes and removes, and keeps the set sound', () => {
    const first = updateValidators([], set.slice(0, 3))
    const changed = updateValidators(first, [
      { ...set[3]!, power: 99n },
      { ...set[0]!, power: 0n },
    ])
    checkValidators(changed)
    expect(changed.map(({ power }) => power)).toEqual([99n, 12n, 11n])
    expect(changed[0]!.priority < changed[1]!.priority).toBe(true)
    expect(validatorsHash(changed)).not.toEqual(validatorsHash(first))
    expect(updateValidators(changed, [])).toEqual(changed)
  })

  it('refuses updates that would halt a real node', () => {
    const first = updateValidators([], set.slice(0, 2))
    expect(() => updateValidators(first, [{ ...set[3]!, power: 0n }])).toThrow(integrity)
    expect(() => updateValidators(first, [set[3]!, set[3]!])).toThrow(integrity)
    expect(() =>
      updateValidators(
        first,
        set.slice(0, 2).map((each) => ({ ...each, power: 0n })),
      ),
    ).toThrow(integrity)
    expect(() => updateValidators(first, [{ ...set[3]!, power: TOTAL_POWER_MAX }])).toThrow(integrity)
  })
})
