import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fromHex, toHex, utf8 } from '../../src/bytes.ts'
import { decodeCbor, encodeCbor } from '../../src/cbor.ts'
import { signingKeyFromSeed } from '../../src/crypto/sign.ts'
import { XcareError } from '../../src/errors.ts'
import { isBoundTo } from '../../src/identity/bound-id.ts'
import { checkInception, createInception, keysHash, keysWerePromised } from '../../src/identity/inception.ts'
import {
  grantSecretOf,
  identityKeysOf,
  identityOf,
  newGrant,
  newObject,
  noticeKeyOf,
  noticeTagOf,
  ownerKeyOf,
  revokeKeyOf,
  vaultKeyOf,
} from '../../src/identity/keypair.ts'
import { parseDid } from '../../src/ids.ts'
import vectors from '../vectors/identity.json' with { type: 'json' }

const root = fromHex(vectors.root)

describe('the keys of a person', () => {
  test('follow from the root as the frozen vectors say', async () => {
    const { did, inception, keys } = await identityOf(root, vectors.network)
    const objectId = fromHex(vectors.objectId)
    const grantId = fromHex(vectors.grantId)
    expect({
      did,
      inceptionTail: toHex(inception.slice(-64)),
      signKey: toHex(keys.signing.publicKey),
      kemKeyHead: toHex(keys.kem.publicKey.slice(0, 32)),
      nextSignKey: toHex((await identityKeysOf(root, 1)).signing.publicKey),
      vaultKey: toHex(vaultKeyOf(root)),
      ownerKey: toHex(ownerKeyOf(root, objectId).publicKey),
      revokeKey: toHex(revokeKeyOf(root, grantId).publicKey),
      grantSecret: toHex(grantSecretOf(root, grantId)),
      noticeKeyHead: toHex((await noticeKeyOf(root, objectId)).publicKey.slice(0, 32)),
      noticeTag: toHex(noticeTagOf(root, objectId)),
    }).toEqual(vectors.keys)
  })

  test('new names follow from their one-time keys as the frozen vectors say, and lead back to them', () => {
    const { bound } = vectors
    const object = newObject(root, { bytes: (length) => fromHex(bound.objectNonce).slice(0, length) })
    const grant = newGrant(root, { bytes: (length) => fromHex(bound.grantNonce).slice(0, length) })
    expect({
      ...bound,
      objectId: toHex(object.objectId),
      ownerKey: toHex(object.ownerKey.publicKey),
      grantId: toHex(grant.grantId),
      revokeKey: toHex(grant.revokeKey.publicKey),
    }).toEqual(bound)
    expect(ownerKeyOf(root, object.objectId).publicKey).toEqual(object.ownerKey.publicKey)
    expect(revokeKeyOf(root, grant.grantId).publicKey).toEqual(grant.revokeKey.publicKey)
  })

  test('a name fits its own key alone, whatever byte of it or of the key is changed', () => {
    const objectId = fromHex(vectors.bound.objectId)
    const ownerKey = fromHex(vectors.bound.ownerKey)
    expect(isBoundTo('object', objectId, ownerKey)).toBe(true)
    for (let at = 0; at < 32; at++) {
      const changed = (bytes: Uint8Array) => bytes.map((byte, index) => (index === at ? byte ^ 1 : byte))
      expect(isBoundTo('object', changed(objectId), ownerKey)).toBe(false)
      expect(isBoundTo('object', objectId, changed(ownerKey))).toBe(false)
    }
    expect(isBoundTo('grant', fromHex(vectors.bound.grantId), fromHex(vectors.bound.revokeKey))).toBe(true)
    expect(isBoundTo('grant', fromHex(vectors.bound.grantId), ownerKey)).toBe(false)
  })

  test('owner keys of two objects have nothing in common', () => {
    const first = ownerKeyOf(root, new Uint8Array(32).fill(1)).publicKey
    const second = ownerKeyOf(root, new Uint8Array(32).fill(2)).publicKey
    expect(toHex(first)).not.toBe(toHex(second))
  })

  test('the inception promises the keys of the next rotation', async () => {
    const { inception, did } = await identityOf(root, vectors.network)
    const next = await identityKeysOf(root, 1)
    const { nextKeysHash } = checkInception(inception, did)
    expect(keysWerePromised(nextKeysHash, next.signing.publicKey, next.kem.publicKey)).toBe(true)
    expect(keysWerePromised(nextKeysHash, next.signing.publicKey, new Uint8Array(1216))).toBe(false)
  })
})

describe('an inception', () => {
  const signing = signingKeyFromSeed(new Uint8Array(32).fill(7))
  const made = createInception(
    'xcare-test',
    signing,
    new Uint8Array(1216).fill(3),
    new Uint8Array(32).fill(4),
  )
  const reject = (bytes: Uint8Array, did: string) => {
    expect(() => checkInception(bytes, did)).toThrow(XcareError)
  }
  const outer = decodeCbor(made.bytes) as { body: Uint8Array; signature: Uint8Array }
  const body = decodeCbor(outer.body) as Record<string, unknown>

  test('is taken back as it was made', () => {
    expect(checkInception(made.bytes, made.did)).toMatchObject({ v: 1, network: 'xcare-test' })
    expect(parseDid(made.did).network).toBe('xcare-test')
  })

  test.each([
    ['another DID', made.bytes, `${made.did.slice(0, -1)}${made.did.endsWith('a') ? 'q' : 'a'}`],
    ['another network in the DID', made.bytes, made.did.replace('xcare-test', 'xcare-other')],
    ['no bytes', new Uint8Array(0), made.did],
    ['a byte behind the end', new Uint8Array([...made.bytes, 0]), made.did],
  ])('is refused with %s', (_, bytes, did) => reject(bytes, did))

  test.each([
    ['a signature by nobody', { ...outer, signature: new Uint8Array(64) }],
    ['a changed key', { ...outer, body: encodeCbor({ ...body, kemKey: new Uint8Array(1216) }) }],
    ['another version', { ...outer, body: encodeCbor({ ...body, v: 2 }) }],
    ['one field more', { ...outer, body: encodeCbor({ ...body, extra: 1 }) }],
    ['a short KEM key', { ...outer, body: encodeCbor({ ...body, kemKey: new Uint8Array(1215) }) }],
    ['a network name with a colon', { ...outer, body: encodeCbor({ ...body, network: 'a:b' }) }],
  ])('is refused with %s, even under the DID that follows from it', async (_, changed) => {
    const bytes = encodeCbor(changed)
    const { sha256 } = await import('../../src/crypto/hash.ts')
    const { didOf } = await import('../../src/ids.ts')
    reject(bytes, didOf('xcare-test', sha256(bytes)))
  })

  test('decoding anything ends in a typed error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1500 }), (bytes) => reject(bytes, made.did)),
      { numRuns: 2000 },
    )
    fc.assert(
      fc.property(fc.nat(made.bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bytes = made.bytes.slice()
        bytes[at]! ^= flip
        reject(bytes, made.did)
      }),
      { numRuns: 500 },
    )
  })

  test('keys hash covers both keys', () => {
    const a = keysHash(new Uint8Array(32), new Uint8Array(1216))
    expect(toHex(keysHash(new Uint8Array(32).fill(1), new Uint8Array(1216)))).not.toBe(toHex(a))
    expect(toHex(keysHash(new Uint8Array(32), new Uint8Array(1216).fill(1)))).not.toBe(toHex(a))
  })
})

describe('a DID', () => {
  test.each(vectors.badDids)('"%s" is refused', (text) => {
    expect(() => parseDid(text)).toThrow(XcareError)
  })
  test('is the text of its parts', () => {
    expect(parseDid(vectors.keys.did).did).toBe(vectors.keys.did)
    expect(utf8(vectors.keys.did).length).toBeLessThan(200)
  })
})
