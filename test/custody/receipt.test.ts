import { describe, expect, test } from 'vitest'
import { kemKeyFromSeed } from '../../src/crypto/envelope.ts'
import { isNoticeFor, noticeFormat, openNotice, readNotice, sealNotice } from '../../src/custody/notice.ts'
import {
  firstLink,
  followChain,
  nextLink,
  type Receipt,
  receiptFormat,
} from '../../src/custody/release/receipt.ts'
import { nodeIdOfKey } from '../../src/ids.ts'
import { fill, guardianKey, NETWORK, NOW_MS, objectId, otherKey } from './sample.ts'

const guardianId = nodeIdOfKey(guardianKey.publicKey)
const guardian = { network: NETWORK, guardianId, signKey: guardianKey.publicKey }

function chainOf(
  count: number,
  change: (receipt: Receipt) => Receipt = (receipt) => receipt,
  key = guardianKey,
) {
  let link = firstLink(NETWORK, guardianId)
  return Array.from({ length: count }, (_, seq) => {
    const receipt = receiptFormat.sign(
      key,
      change({
        ...{
          v: 1,
          network: NETWORK,
          guardianId,
          seq,
          prev: link,
          requestHash: fill(seq),
          releaseId: fill(seq, 16),
        },
        ...{ grantId: fill(12, 16), objectId, epoch: 1, index: 0, granteeKemHash: fill(1), purpose: 'TREAT' },
        ...{ height: 9, timeMs: NOW_MS },
      }),
    )
    const { hash } = receiptFormat.decode(receipt)
    link = nextLink(link, hash)
    return { receipt, hash, link }
  })
}
const start = { count: 0, link: firstLink(NETWORK, guardianId) }

describe('a chain of receipts', () => {
  test('is followed from its start and from any point, whole or with only some receipts shown', () => {
    const chain = chainOf(5)
    const hashes = chain.map(({ hash }) => hash)
    const all = followChain(
      start,
      hashes,
      chain.map(({ receipt }) => receipt),
      guardian,
    )
    expect(all.point).toEqual({ count: 5, link: chain[4]!.link })
    const later = followChain(
      { count: 2, link: chain[1]!.link },
      hashes.slice(2),
      [chain[3]!.receipt],
      guardian,
    )
    expect(later.point).toEqual(all.point)
    expect(later.receipts[0]!.value.seq).toBe(3)
  })

  test.each([
    ['a receipt of another guardian', () => chainOf(2, (receipt) => ({ ...receipt, guardianId: 'x' }))],
    ['a receipt of another network', () => chainOf(2, (receipt) => ({ ...receipt, network: 'other' }))],
    ['a receipt signed by someone else', () => chainOf(2, undefined, otherKey)],
    ['a receipt that names another place', () => chainOf(2, (receipt) => ({ ...receipt, seq: 0 }))],
    ['a receipt that names a place outside', () => chainOf(2, (receipt) => ({ ...receipt, seq: 7 }))],
    ['a receipt that follows something else', () => chainOf(2, (receipt) => ({ ...receipt, prev: fill(9) }))],
  ])('%s does not fit', (_, make) => {
    const chain = make()
    const hashes = chain.map(({ hash }) => hash)
    expect(() => followChain(start, hashes, [chain[1]!.receipt], guardian)).toThrow()
  })

  test('a receipt whose hash is not in its place does not fit', () => {
    const chain = chainOf(2)
    expect(() => followChain(start, [chain[0]!.hash, fill(1)], [chain[1]!.receipt], guardian)).toThrow(
      /does not fit/,
    )
  })

  test('two guardians never share a first link', () => {
    expect(firstLink('a', 'bc')).not.toEqual(firstLink('ab', 'c'))
  })
})

describe('a notice', () => {
  const make = async () => {
    const owner = await kemKeyFromSeed(fill(40))
    const to = { noticeKey: owner.publicKey, noticeTag: fill(41) }
    const [first] = chainOf(1)
    const from = { network: NETWORK, guardianId }
    const payload = await sealNotice(guardianKey, from, to, first!.receipt, fill(42, 16), NOW_MS)
    return { owner, payload, receipt: first!.receipt }
  }

  test('is recognised and opened by its owner alone', async () => {
    const { owner, payload, receipt } = await make()
    const notice = readNotice(payload, NETWORK)!
    expect(isNoticeFor(notice.value, fill(41))).toBe(true)
    expect(isNoticeFor(notice.value, fill(43))).toBe(false)
    expect(await openNotice(owner, notice)).toEqual(receipt)
    await expect(openNotice(await kemKeyFromSeed(fill(44)), notice)).rejects.toMatchObject({
      code: 'INTEGRITY',
    })
  })

  test('two notices about one object cannot be linked', async () => {
    const { payload, owner } = await make()
    const to = { noticeKey: owner.publicKey, noticeTag: fill(41) }
    const from = { network: NETWORK, guardianId }
    const second = await sealNotice(guardianKey, from, to, fill(1, 300), fill(45, 16), NOW_MS)
    expect(noticeFormat.decode(second).value.tag).not.toEqual(noticeFormat.decode(payload).value.tag)
  })

  test('does not travel on when altered, of another network, or not by the guardian it names', async () => {
    const { payload } = await make()
    expect(readNotice(payload, 'xcare-other')).toBeNull()
    for (let at = 0; at < payload.length; at += 13) {
      const bad = payload.slice()
      bad[at]! ^= 4
      expect(readNotice(bad, NETWORK)).toBeNull()
    }
    const { value } = noticeFormat.decode(payload)
    expect(readNotice(noticeFormat.sign(otherKey, value), NETWORK)).toBeNull()
    expect(
      readNotice(noticeFormat.sign(otherKey, { ...value, signKey: otherKey.publicKey }), NETWORK),
    ).toBeNull()
    expect(readNotice(new Uint8Array(100_000), NETWORK)).toBeNull()
  })
})
