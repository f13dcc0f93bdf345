import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { concat, utf8 } from '../../../src/bytes.ts'
import { decodeCbor, encodeCbor } from '../../../src/cbor.ts'
import { checkUnique, forgetExpired, rememberId } from '../../../src/chain-anchor/app/replay.ts'
import { StateOverlay } from '../../../src/chain-anchor/app/state.ts'
import { buildTx, decodeTx, txHash, verifyTxSignatures } from '../../../src/chain-anchor/app/tx.ts'
import { sha256 } from '../../../src/crypto/hash.ts'
import { verifyStrict } from '../../../src/crypto/sign.ts'
import { TX_BYTES_MAX, TX_VALID_BLOCKS_MAX, UNIQUE_IDS_PER_SHARD_MAX } from '../../../src/limits.ts'
import { CHAIN_ID, key, make, seeded, tx } from './chain-actors.ts'
import { TestChain } from './memory-state.ts'

interface Envelope {
  body: Uint8Array
  auths: { key: Uint8Array; sig: Uint8Array }[]
}
const open = (bytes: Uint8Array) => decodeCbor(bytes) as Envelope
const grant = (id: string, changes: object = {}) => tx(id, [make.grant(id)], [`revoke ${id}`], changes)

describe('the form of a transaction', () => {
  test('what is built can be read, and its signatures are over the stated bytes', () => {
    const bytes = tx('x', [make.grant('g'), make.revoke('g')], ['revoke g', 'other'])
    const { body, auths, bodyHash } = decodeTx(bytes)
    expect(body).toMatchObject({
      chainId: CHAIN_ID,
      validUntilHeight: 500,
      messages: [make.grant('g'), make.revoke('g')],
    })
    expect(bodyHash).toEqual(sha256(open(bytes).body))
    for (const { key, sig } of auths)
      expect(verifyStrict(key, concat(utf8('XCARE-TX-1'), bodyHash), sig)).toBe(true)
    expect(txHash(bytes)).toEqual(sha256(bytes))
  })

  test('repeated or unsorted signers are refused', () => {
    const { body, auths } = open(tx('x', [make.grant('g')], ['revoke g', 'other']))
    expect(() => decodeTx(encodeCbor({ body, auths: [...auths].reverse() }))).toThrow(/sorted/)
    expect(() => decodeTx(encodeCbor({ body, auths: [auths[0], auths[0]] }))).toThrow(/sorted/)
    expect(() => decodeTx(encodeCbor({ body, auths: [] }))).toThrow(/auths/)
  })

  test('unknown fields, unknown messages, wrong lengths and too many messages are refused', () => {
    const { body, auths } = open(grant('g'))
    const inner = decodeCbor(body) as Record<string, unknown> & { messages: object[] }
    const withBody = (change: object) => encodeCbor({ body: encodeCbor({ ...inner, ...change }), auths })
    expect(() => decodeTx(withBody({}))).not.toThrow()
    expect(() => decodeTx(withBody({ extra: 1 }))).toThrow(/MALFORMED|transaction body/)
    expect(() => decodeTx(withBody({ uniqueId: new Uint8Array(15) }))).toThrow(/uniqueId/)
    expect(() => decodeTx(withBody({ validUntilHeight: 0 }))).toThrow(/validUntilHeight/)
    expect(() => decodeTx(withBody({ messages: [] }))).toThrow(/messages/)
    expect(() => decodeTx(withBody({ messages: [{ type: 'mint' }] }))).toThrow(/messages/)
    expect(() => decodeTx(withBody({ messages: [{ ...inner.messages[0], extra: 1 }] }))).toThrow(/messages/)
    expect(() => decodeTx(withBody({ messages: Array(17).fill(inner.messages[0]) }))).toThrow(/messages/)
    expect(() => decodeTx(encodeCbor({ body, auths, extra: 1 }))).toThrow(/transaction/)
    expect(() => decodeTx(concat(grant('g'), Uint8Array.of(0)))).toThrow(/CBOR/)
    expect(() => decodeTx(new Uint8Array(TX_BYTES_MAX + 1))).toThrow(/at most/)
  })

  test('a builder cannot write what a reader refuses', () => {
    const draft = { chainId: CHAIN_ID, uniqueId: seeded('u', 16), validUntilHeight: 1, signers: [key('a')] }
    expect(() => buildTx({ ...draft, messages: [] })).toThrow(/cannot write/)
    expect(() =>
      buildTx({ ...draft, messages: [make.grant('g', { commitment: new Uint8Array(31) })] }),
    ).toThrow(/cannot write/)
  })

  test('no changed bit goes unnoticed', () => {
    const bytes = grant('g')
    fc.assert(
      fc.property(fc.nat(bytes.length * 8 - 1), (bit) => {
        const changed = bytes.slice()
        changed[bit >> 3] ^= 1 << (bit & 7)
        let valid = true
        try {
          valid = verifyTxSignatures(decodeTx(changed))
        } catch {
          valid = false
        }
        expect(valid).toBe(false)
      }),
      { numRuns: 400 },
    )
  })

  test('noise is refused by a sentence, never by a crash', () => {
    const chain = new TestChain()
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(chain.app.checkTx(bytes).log).toMatch(/^This is not a transaction/)
      }),
      { numRuns: 300 },
    )
  })
})

describe('when a transaction counts', () => {
  let chain: TestChain
  beforeEach(() => {
    chain = new TestChain()
  })

  test('once: neither in the same block nor later does it count again', () => {
    const bytes = grant('g')
    expect(chain.block(bytes, bytes)).toEqual(['ok', expect.stringMatching(/in a block already/)])
    expect(chain.block(bytes)).toEqual([expect.stringMatching(/in a block already/)])
    expect(chain.app.checkTx(bytes).log).toMatch(/in a block already/)
  })

  test('a refused one is used up too, so that nobody can bring it back when it would pass', () => {
    const revoke = tx('early', [make.revoke('g')], ['revoke g'])
    expect(chain.block(revoke)[0]).toMatch(/no such grant/)
    expect(chain.block(grant('g'), revoke)).toEqual(['ok', expect.stringMatching(/in a block already/)])
  })

  test('its height window is exact, and its id is forgotten when the window ends', () => {
    expect(chain.block(grant('a', { validUntilHeight: 1 }))).toEqual(['ok'])
    expect(chain.block(grant('b', { validUntilHeight: 1 }))[0]).toMatch(/until block 1 only/)
    const far = chain.height + 1 + TX_VALID_BLOCKS_MAX
    expect(chain.block(grant('c', { validUntilHeight: far + 1 }))[0]).toMatch(/at most/)
    const clean = new TestChain()
    clean.block()
    const before = clean.appHash
    clean.block(tx('gone', [make.revoke('none')], ['x'], { validUntilHeight: 3 }))
    expect(clean.appHash).not.toEqual(before)
    clean.block()
    clean.block()
    expect(clean.appHash).toEqual(before)
  })

  test('only on its own network and only with right signatures', () => {
    expect(chain.block(grant('a', { chainId: 'other' }))[0]).toMatch(/another network/)
    const { body, auths } = open(grant('b'))
    const forged = encodeCbor({ body, auths: [{ key: auths[0].key, sig: new Uint8Array(64) }] })
    expect(chain.block(forged)[0]).toMatch(/signature/)
    expect(chain.block(grant('b'))).toEqual(['ok'])
  })

  test('all of its messages count, or none', () => {
    const both = tx('both', [make.grant('a'), make.grant('a')], ['revoke a'])
    expect(chain.block(both)[0]).toMatch(/^Message 2: This grant exists already/)
    expect(chain.block(grant('a'))).toEqual(['ok'])
  })

  test('a height takes a bounded number of ids', () => {
    const state = new StateOverlay(chain.state)
    const body = (at: number) => ({
      uniqueId: concat(Uint8Array.of(16 * (Math.abs(at) % 16)), seeded(`${at}`, 15)),
      validUntilHeight: 9,
    })
    for (let at = 0; at < UNIQUE_IDS_PER_SHARD_MAX; at++) rememberId(state, body(at))
    expect(checkUnique(state, body(7))?.log).toMatch(/in a block already/)
    expect(checkUnique(state, body(-1))?.log).toMatch(/Too many transactions end at this height/)
    expect(checkUnique(state, { ...body(-1), validUntilHeight: 10 })).toBeNull()
    forgetExpired(state, 10)
    expect(state.changes().writes.filter(({ value }) => value !== null)).toEqual([])
  })

  test('a refused transaction may be checked again once what it lacks is there', () => {
    const revoke = tx('r', [make.revoke('g')], ['revoke g'])
    expect(chain.app.checkTx(revoke).log).toMatch(/no such grant/)
    expect(chain.app.checkTx(grant('g')).code).toBe(0)
    expect(chain.app.checkTx(revoke).code).toBe(0)
    expect(chain.app.checkTx(revoke).log).toMatch(/in a block already/)
    chain.block()
    expect(chain.app.checkTx(revoke).log).toMatch(/no such grant/)
  })
})
