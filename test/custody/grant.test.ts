import { describe, expect, test } from 'vitest'
import { concat, toHex } from '../../src/bytes.ts'
import { merkleRoot } from '../../src/crypto/merkle.ts'
import {
  decodeLetter,
  encodeLetter,
  grantCommitment,
  grantFormat,
  isGrantSignedBy,
  isInGrant,
  makeGrant,
  openingFor,
  saltOf,
} from '../../src/custody/grant.ts'
import { PURPOSE_CODES, parsePurpose } from '../../src/custody/purpose.ts'
import { LETTER_BYTES_MAX } from '../../src/limits.ts'
import { fill, grantSample, objectId, otherKey, ownerKey } from './sample.ts'

const ids = (count: number) =>
  Array.from({ length: count }, (_, at) => {
    const id = fill(0)
    new DataView(id.buffer).setUint32(0, at + 1)
    return id
  })

describe('a grant', () => {
  test.each([1, 2, 3, 255, 256])('of %i objects opens for each of them and for nothing else', (count) => {
    const held = grantSample({}, ids(count))
    for (const id of ids(count).slice(-3)) expect(isInGrant(held.grant, openingFor(held, id), id)).toBe(true)
    const opening = openingFor(held, ids(1)[0]!)
    expect(isInGrant(held.grant, opening, fill(99))).toBe(false)
    expect(isInGrant({ ...held.grant, objectCount: count + 1 }, { ...opening, at: count }, ids(1)[0]!)).toBe(
      false,
    )
    expect(() => openingFor(held, fill(99))).toThrow(/does not name/)
  })

  test('tells a guardian nothing about the other objects: siblings are blinded', () => {
    const held = grantSample({}, [objectId, fill(20)])
    const [sibling] = openingFor(held, objectId).proof
    expect(toHex(sibling!)).not.toBe(toHex(merkleRoot([fill(20)])))
    for (const blind of [new Uint8Array(16), openingFor(held, objectId).blind])
      expect(toHex(sibling!)).not.toBe(toHex(merkleRoot([concat(blind, fill(20))])))
  })

  test('is signed by the owner key of each object', () => {
    const held = makeGrant(grantSample().grant, fill(1), [
      { objectId, ownerKey, name: 'a' },
      { objectId: fill(20), ownerKey: otherKey, name: 'b' },
    ])
    const [first, second] = held.objects
    expect(isGrantSignedBy(ownerKey.publicKey, held.grantBytes, first!.ownerSignature)).toBe(true)
    expect(isGrantSignedBy(otherKey.publicKey, held.grantBytes, second!.ownerSignature)).toBe(true)
    expect(isGrantSignedBy(ownerKey.publicKey, held.grantBytes, second!.ownerSignature)).toBe(false)
  })

  test('its commitment changes with every field', () => {
    const held = grantSample()
    const seen = new Set([toHex(grantCommitment(saltOf(held.secret), held.grantBytes))])
    const changes = [
      ...[{ network: 'x' }, { grantId: fill(1, 16) }, { objectsRoot: fill(1) }, { objectCount: 3 }],
      ...[
        { granteeDid: 'did:x' },
        { granteeKemHash: fill(1) },
        { purpose: 'HRESCH' as const },
        { view: 'safe-harbor' },
      ],
      ...[
        { notBeforeMs: 1 },
        { notAfterMs: held.grant.notAfterMs + 1 },
        { maxReleases: 6 },
        { revokeKey: fill(1) },
      ],
    ]
    for (const change of changes)
      seen.add(toHex(grantCommitment(saltOf(held.secret), grantFormat.encode({ ...held.grant, ...change }))))
    expect(seen.size).toBe(changes.length + 1)
  })

  test.each([
    ['no object', { objectCount: 0 }],
    ['too many objects', { objectCount: 257 }],
    ['an end before its beginning', { notBeforeMs: 10, notAfterMs: 10 }],
    ['no release', { maxReleases: 0 }],
    ['a network with a space', { network: 'a b' }],
    ['a short key', { revokeKey: fill(1, 31) }],
  ])('with %s is never written', (_, change) => {
    expect(() => grantFormat.encode({ ...grantSample().grant, ...change })).toThrow()
  })
})

describe('a letter', () => {
  test('a long name of any script arrives, cut between two characters', () => {
    const name = `${'x'.repeat(79)}\u{20BB7}\u{1F600}`
    const held = grantSample({}, [objectId], name)
    expect(decodeLetter(encodeLetter(held)).objects[0]!.name).toBe('x'.repeat(79))
  })

  test('brings the whole grant', () => {
    const held = grantSample()
    expect(decodeLetter(encodeLetter(held))).toEqual(held)
  })

  test('whose objects are not those of the grant is refused', () => {
    const held = grantSample()
    const swapped = { ...held, objects: held.objects.map((object) => ({ ...object, objectId: fill(50) })) }
    expect(() => decodeLetter(encodeLetter(swapped))).toThrow(/not those of the grant/)
    expect(() => decodeLetter(encodeLetter({ ...held, objects: held.objects.slice(1) }))).toThrow(/not those/)
    expect(() => decodeLetter(encodeLetter({ ...held, secret: fill(1) }))).toThrow(/not those/)
  })

  test('of 256 long names fits a mailbox', () => {
    const objects = ids(256).map((id) => ({ objectId: id, ownerKey, name: 'Ä'.repeat(255) }))
    const letter = encodeLetter(makeGrant(grantSample().grant, fill(1), objects))
    expect(letter.length + 1200).toBeLessThan(LETTER_BYTES_MAX)
  })
})

describe('a purpose', () => {
  test('is a code of the list, in any case', () => {
    expect(parsePurpose('treat')).toBe('TREAT')
    for (const code of PURPOSE_CODES) expect(parsePurpose(code)).toBe(code)
    for (const wrong of ['', 'BTG', 'toString', 'constructor', 'MARKETING'])
      expect(() => parsePurpose(wrong)).toThrow(/not a purpose/)
  })
})
