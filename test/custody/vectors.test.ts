import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { fromHex, toHex } from '../../src/bytes.ts'
import { keyCheckValue, OWNER_GRANT_POLICY_HASH, shareCommitment } from '../../src/custody/deal.ts'
import { grantCommitment, openingFor, saltOf } from '../../src/custody/grant.ts'
import { firstLink, nextLink } from '../../src/custody/release/receipt.ts'
import custody from '../vectors/custody.json' with { type: 'json' }
import grant from '../vectors/grant.json' with { type: 'json' }
import { grantSample, objectId } from './sample.ts'

/** The sentences of the specs, computed again with nothing but Node's own SHA-256. */
const sha = (...parts: (string | Uint8Array)[]) => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}
const u32 = (value: number) => {
  const out = Buffer.alloc(4)
  out.writeUInt32BE(value)
  return out
}

describe('the formulas of the custody spec', () => {
  test('commitment of a share', () => {
    const { objectId: id, version, epoch, index, salt, share, expected } = custody.commitment
    const place = [fromHex(id), u32(version), u32(epoch), u32(index)]
    expect(sha('xcare/share/v1', ...place, fromHex(salt), fromHex(share))).toBe(expected)
    const made = { index, salt: fromHex(salt), share: fromHex(share) }
    expect(toHex(shareCommitment({ objectId: fromHex(id), version, epoch }, made))).toBe(expected)
  })

  test('key check value and policy', () => {
    const { objectId: id, custodyKey, expected } = custody.kcv
    expect(sha('xcare/kcv/v1', fromHex(id), fromHex(custodyKey))).toBe(expected)
    expect(toHex(keyCheckValue(fromHex(id), fromHex(custodyKey)))).toBe(expected)
    expect(sha('xcare/policy/v1/owner-grant')).toBe(custody.policyHash)
    expect(toHex(OWNER_GRANT_POLICY_HASH)).toBe(custody.policyHash)
  })

  test('chain of receipts', () => {
    const { network, guardianId, first, receiptHash, second } = custody.chain
    expect(sha('xcare/receipt-chain/v1', '\0', network, '\0', guardianId)).toBe(first)
    expect(toHex(firstLink(network, guardianId))).toBe(first)
    expect(sha(fromHex(custody.good.receipt))).toBe(receiptHash)
    expect(sha('xcare/receipt-link/v1', fromHex(first), fromHex(receiptHash))).toBe(second)
    expect(toHex(nextLink(fromHex(first), fromHex(receiptHash)))).toBe(second)
  })
})

describe('the formulas of the grant spec', () => {
  const held = grantSample()

  test('commitment, signature and opening are the frozen ones', () => {
    expect(toHex(held.grantBytes)).toBe(grant.good.grant)
    expect(toHex(saltOf(held.secret))).toBe(grant.salt)
    expect(sha('xcare/grant-commitment/v1', fromHex(grant.salt), held.grantBytes)).toBe(grant.commitment)
    expect(toHex(grantCommitment(saltOf(held.secret), held.grantBytes))).toBe(grant.commitment)
    expect(toHex(held.objects[0]!.ownerSignature)).toBe(grant.ownerSignature)
    const opening = openingFor(held, objectId)
    expect([toHex(opening.blind), opening.proof.map(toHex)]).toEqual([grant.blind, grant.proof])
  })

  test('the root is over blind and object id, by RFC 6962', () => {
    const leaf = sha('\0', fromHex(grant.blind), objectId)
    const pair = Buffer.concat([Buffer.from(leaf, 'hex'), Buffer.from(grant.proof[0]!, 'hex')])
    expect(sha(Uint8Array.of(1), pair)).toBe(grant.objectsRoot)
  })
})
