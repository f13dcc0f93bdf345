import { describe, expect, test } from 'vitest'
import { custodyRecordHash } from '../../src/chain-anchor/app/values.ts'
import { kemKeyFromSeed } from '../../src/crypto/envelope.ts'
import { combine } from '../../src/custody/combine.ts'
import { type CustodyShare, deal, isCustodyKey, isDealtShare, keyCheckValue } from '../../src/custody/deal.ts'
import { openDeposit, sealDeposit } from '../../src/custody/deposit.ts'
import { openRelease, sealRelease } from '../../src/custody/release/request.ts'
import { keyCheckValue as manifestKcv } from '../../src/fragment/object-keys.ts'
import { testRandom } from '../guardian-node/ports.ts'
import { dealSample, fill, guardians, objectId, ownerKey } from './sample.ts'

const subsetsOf = (count: number, size: number) =>
  Array.from({ length: 1 << count }, (_, mask) =>
    [...Array(count).keys()].filter((at) => (mask >> at) & 1),
  ).filter((chosen) => chosen.length === size)

describe('a deal of 3 of 4', () => {
  test('every 3 shares give the key, no 2 do', async () => {
    const { terms, shares } = await dealSample()
    for (const chosen of subsetsOf(4, 3)) {
      const got = await combine(
        terms,
        chosen.map((at) => shares[at]!),
      )
      expect(got).toEqual({ custodyKey: fill(11), dealerFault: false })
    }
    for (const chosen of subsetsOf(4, 2))
      await expect(
        combine(
          terms,
          chosen.map((at) => shares[at]!),
        ),
      ).rejects.toMatchObject({ code: 'TOO_FEW_GUARDIANS' })
  })

  test('one share counts once, however often it comes', async () => {
    const { terms, shares } = await dealSample()
    await expect(combine(terms, [shares[0]!, shares[0]!, shares[1]!])).rejects.toMatchObject({
      code: 'TOO_FEW_GUARDIANS',
    })
  })

  test.each([
    ['another share value', (share: CustodyShare) => ({ ...share, share: flip(share.share, 0) })],
    ['another x', (share: CustodyShare) => ({ ...share, share: flip(share.share, 32) })],
    [
      'x = 0',
      (share: CustodyShare) => ({ ...share, share: new Uint8Array([...share.share.slice(0, 32), 0]) }),
    ],
    ['another salt', (share: CustodyShare) => ({ ...share, salt: flip(share.salt, 5) })],
    ['another index', (share: CustodyShare) => ({ ...share, index: share.index ^ 1 })],
    ['an index outside', (share: CustodyShare) => ({ ...share, index: 4 })],
    ['another path', (share: CustodyShare) => ({ ...share, path: share.path.map((hash) => flip(hash, 0)) })],
    ['a short path', (share: CustodyShare) => ({ ...share, path: share.path.slice(1) })],
    ['a long path', (share: CustodyShare) => ({ ...share, path: [...share.path, fill(0)] })],
    ['a short share', (share: CustodyShare) => ({ ...share, share: share.share.slice(1) })],
  ])('a share with %s is not the one dealt', async (_, change) => {
    const { terms, shares } = await dealSample()
    expect(isDealtShare(terms, shares[1]!)).toBe(true)
    expect(isDealtShare(terms, change(shares[1]!))).toBe(false)
  })

  test('bad shares are left out while enough good ones remain', async () => {
    const { terms, shares } = await dealSample()
    const bad = { ...shares[0]!, share: flip(shares[0]!.share, 3) }
    expect((await combine(terms, [bad, ...shares.slice(1)])).custodyKey).toEqual(fill(11))
  })

  test('commitments are bound to object, version, epoch', async () => {
    const { terms, shares } = await dealSample()
    for (const change of [{ objectId: fill(9) }, { version: 2 }, { epoch: 2 }])
      expect(isDealtShare({ ...terms, ...change }, shares[0]!)).toBe(false)
  })

  test('a dealer who committed to one wrong share is found out, and the key still comes', async () => {
    const good = await dealSample()
    const wrong = { ...good.shares[0]!, share: flip(good.shares[0]!.share, 3) }
    const mixed = [wrong, ...good.shares.slice(1)]
    const { terms, shares } = await recommit(mixed)
    const got = await combine({ ...terms, kcv: good.terms.kcv }, shares)
    expect(got).toEqual({ custodyKey: fill(11), dealerFault: true })
    await expect(combine({ ...terms, kcv: good.terms.kcv }, shares.slice(0, 3))).rejects.toMatchObject({
      code: 'INTEGRITY',
    })
  })

  test('impossible numbers are refused', async () => {
    const input = {
      objectId,
      version: 1,
      epoch: 1,
      custodyKey: fill(1),
      guardians,
      ownerKey: ownerKey.publicKey,
    }
    for (const t of [0, 1, 5]) await expect(deal({ ...input, t }, testRandom('x'))).rejects.toThrow()
    await expect(deal({ ...input, t: 3, custodyKey: fill(1, 31) }, testRandom('x'))).rejects.toThrow()
  })

  test('kcv is the one the manifest carries', () => {
    expect(isCustodyKey({ objectId, kcv: keyCheckValue(objectId, fill(11)) }, fill(11))).toBe(true)
    expect(isCustodyKey({ objectId, kcv: keyCheckValue(objectId, fill(11)) }, fill(12))).toBe(false)
    expect(manifestKcv(objectId, fill(11))).toEqual(keyCheckValue(objectId, fill(11)))
  })
})

describe('a sealed share', () => {
  test('opens at its guardian alone, for its record and place alone', async () => {
    const { terms, shares } = await dealSample()
    const guardian = await kemKeyFromSeed(fill(30))
    const other = await kemKeyFromSeed(fill(31))
    const record = custodyRecordHash(terms)
    const sealed = await sealDeposit(guardian.publicKey, record, shares[2]!)
    expect(await openDeposit(guardian, record, 2, sealed)).toEqual(shares[2])
    await expect(openDeposit(other, record, 2, sealed)).rejects.toMatchObject({ code: 'INTEGRITY' })
    await expect(openDeposit(guardian, fill(1), 2, sealed)).rejects.toMatchObject({ code: 'INTEGRITY' })
    await expect(openDeposit(guardian, record, 1, sealed)).rejects.toMatchObject({ code: 'INTEGRITY' })
    // A deposit is not a release: the purposes differ.
    const bind = { requestHash: fill(1), recordHash: record, index: 2 }
    await expect(openRelease(guardian, bind, sealed)).rejects.toMatchObject({ code: 'INTEGRITY' })
    const released = await sealRelease(guardian.publicKey, bind, shares[2]!)
    expect(await openRelease(guardian, bind, released)).toEqual(shares[2])
    await expect(openRelease(guardian, { ...bind, requestHash: fill(2) }, released)).rejects.toMatchObject({
      code: 'INTEGRITY',
    })
  })
})

function flip(bytes: Uint8Array, at: number): Uint8Array {
  const out = bytes.slice()
  out[at]! ^= 0x55
  return out
}

/** Commits to whatever shares it is given, as a bad dealer would. */
async function recommit(shares: CustodyShare[]) {
  const { terms } = await dealSample()
  const { merkleProof, merkleRoot } = await import('../../src/crypto/merkle.ts')
  const { shareCommitment } = await import('../../src/custody/deal.ts')
  const commitments = shares.map((share) => shareCommitment(terms, share))
  return {
    terms: { ...terms, commitRoot: merkleRoot(commitments) },
    shares: shares.map((share, at) => ({ ...share, path: merkleProof(commitments, at) })),
  }
}
