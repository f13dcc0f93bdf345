import { describe, expect, test } from 'vitest'
import { utf8 } from '../../src/bytes.ts'
import { decodeGenesis, encodeGenesis } from '../../src/chain-anchor/app/genesis.ts'
import { buildTx, decodeTx } from '../../src/chain-anchor/app/tx.ts'
import { custodyValue, guardianValue, nodeValue, recordValue } from '../../src/chain-anchor/app/values.ts'
import { sealEnvelope } from '../../src/crypto/envelope.ts'
import { signingKeyFromSeed } from '../../src/crypto/sign.ts'
import { decodeLetter, encodeLetter, LETTER_INFO, makeGrant } from '../../src/custody/grant.ts'
import { packBundle, readBundleIndex } from '../../src/fragment/bundle.ts'
import { layoutOf } from '../../src/fragment/layout.ts'
import { buildManifest, verifyManifest } from '../../src/fragment/manifest.ts'
import { identityKeysOf } from '../../src/identity/keypair.ts'
import { entryFormat } from '../../src/identity/vault-entry.ts'
import * as limits from '../../src/limits.ts'
import { answerFrame, requestFrame } from '../../src/wire/custody-protocol.ts'
import { decodeClientFrame, decodeNodeFrame, encodeFrame } from '../../src/wire/fragment-protocol.ts'
import { seededBytes } from '../storage-node/made-object.ts'

const key = (seed: number) => signingKeyFromSeed(seededBytes(seed, 32))
const filled = (length: number, byte = 0xff) => new Uint8Array(length).fill(byte)
const many = <T>(count: number, make: (at: number) => T) => Array.from({ length: count }, (_, at) => make(at))
const whole = (parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts))
const longest = Number.MAX_SAFE_INTEGER
/** Text that takes the most bytes for its UTF-16 units. */
const wide = (units: number) => '中'.repeat(units)

/** The fullest grant that can be given. */
const fullGrant = () =>
  makeGrant(
    {
      ...{ network: 'n'.repeat(50), grantId: filled(16), granteeDid: `did:xcare:x:${'b'.repeat(180)}` },
      ...{ granteeKemHash: filled(32), purpose: 'HRESCH', view: wide(64) },
      ...{ notBeforeMs: longest - 1, notAfterMs: longest, maxReleases: 1_000_000, revokeKey: filled(32) },
    },
    filled(32),
    many(limits.GRANT_OBJECTS_MAX, (at) => ({
      objectId: seededBytes(at, 32),
      ownerKey: key(1),
      name: wide(80),
    })),
  )

// Each row writes the largest thing that its writer can be asked to write, and reads it as its reader does.
describe('the largest thing that can be written can be read', () => {
  test('a letter: made, sealed, mailed, fetched, kept in the vault', async () => {
    const letter = encodeLetter(fullGrant())
    expect(decodeLetter(letter).objects).toHaveLength(limits.GRANT_OBJECTS_MAX)
    const { kem } = await identityKeysOf(filled(32))
    const sealed = await sealEnvelope(kem.publicKey, LETTER_INFO, utf8('x'), letter)
    expect(sealed.length).toBeLessThanOrEqual(limits.LETTER_BYTES_MAX)
    const fullest = filled(limits.LETTER_BYTES_MAX)
    const put = { type: 'mail.put' as const, recipient: wide(limits.DID_TEXT_MAX), letter: fullest }
    expect(requestFrame.decode(requestFrame.encode(put))).toEqual(put)
    const mail = { type: 'mail' as const, letters: [{ number: longest, letter: fullest }], more: true }
    expect(answerFrame.decode(answerFrame.encode(mail))).toEqual(mail)
    const kept = { type: 'received' as const, grantId: filled(16), letter: fullest, arrivedMs: longest }
    expect(entryFormat.decode(entryFormat.encode(kept))).toEqual(kept)
  })

  test('the fullest entry of every kind in the vault', () => {
    const object = {
      ...{ type: 'object' as const, objectId: filled(32), version: longest, custodyKey: filled(32) },
      ...{
        name: wide(limits.RECORD_NAME_MAX),
        mediaType: 'm'.repeat(limits.MEDIA_TYPE_TEXT_MAX),
        bytes: longest,
        createdMs: longest,
      },
      ...{ kind: 'record' as const, partOf: filled(32) },
    }
    expect(entryFormat.decode(entryFormat.encode(object))).toEqual(object)
    const issued = {
      ...{ type: 'issued' as const, grantId: filled(16), granteeDid: wide(limits.DID_TEXT_MAX) },
      ...{ granteeName: wide(limits.RECORD_NAME_MAX), purpose: wide(16), revoked: true },
      objectIds: many(limits.GRANT_OBJECTS_MAX, (at) => seededBytes(at, 32)),
      ...{ notBeforeMs: longest, notAfterMs: longest },
    }
    expect(entryFormat.decode(entryFormat.encode(issued))).toEqual(issued)
  })

  test('a guardian’s answer with as many receipts as it gives at once', () => {
    const receipts = {
      ...{ type: 'receipts' as const, fromSeq: longest, prev: filled(32), count: longest },
      hashes: filled(limits.RECEIPT_HASHES_MAX * 32),
      own: many(limits.RECEIPTS_IN_ANSWER_MAX, () => filled(1024)),
    }
    expect(answerFrame.decode(answerFrame.encode(receipts))).toEqual(receipts)
    const questions = many(limits.RECEIPT_OBJECTS_MAX, () => filled(320))
    const asked = { type: 'receipts' as const, fromSeq: longest, questions }
    expect(requestFrame.decode(requestFrame.encode(asked))).toEqual(asked)
  })

  test('the manifest of the widest object with the fullest private part, and its frame', () => {
    const n = limits.COLUMNS_MAX
    const owner = key(2)
    const written = {
      ...{ objectId: filled(32), version: 1, ownerKey: owner.publicKey, layout: layoutOf(1e6, n - 1, n, 64) },
      columnRoots: many(n, (at) => seededBytes(at, 32)),
      ...{ salt: filled(24), commitment: filled(32), kcv: filled(32) },
    }
    const sealed = filled(limits.SEALED_BYTES_MAX)
    const bytes = buildManifest(
      written,
      { network: 'n'.repeat(50), custodyEpoch: 2 ** 32 - 1, sealed },
      owner,
    )
    expect(bytes.length).toBeLessThanOrEqual(limits.MANIFEST_BYTES_MAX)
    expect(verifyManifest(bytes, 'n'.repeat(50)).manifest.columnRoots).toHaveLength(n)
    const done = { op: 'DONE' as const, body: filled(limits.MANIFEST_BYTES_MAX) }
    expect(decodeClientFrame(whole(encodeFrame(done)))).toEqual(done)
    const manifest = { op: 'MANIFEST' as const, body: filled(limits.MANIFEST_BYTES_MAX) }
    expect(decodeNodeFrame(whole(encodeFrame(manifest)))).toEqual(manifest)
  })

  test('an index of many records with the longest names', () => {
    const packed = packBundle(
      many(2_000, (at) => ({
        name: `${String(at).padStart(5, '0')}${wide(83)}`,
        mediaType: `a/${'b'.repeat(63)}`,
        bytes: new Uint8Array(0),
      })),
    )
    expect(readBundleIndex(packed)).toHaveLength(2_000)
  })

  test('values of the chain’s state', () => {
    const addresses = many(limits.ADDRESSES_MAX, () => wide(limits.ADDRESS_TEXT_MAX))
    const party = {
      ...{
        instId: 'a'.repeat(limits.INST_ID_MAX),
        signKey: filled(32),
        addresses,
        status: 'active' as const,
      },
    }
    const node = {
      ...{ ...party, nodeId: 'p'.repeat(limits.PEER_ID_TEXT_MAX), capacityBytes: longest },
      ...{
        network: wide(limits.LABEL_TEXT_MAX),
        region: wide(limits.LABEL_TEXT_MAX),
        availabilityPpm: 1_000_000,
      },
    }
    const guardian = {
      ...{ ...party, guardianId: 'p'.repeat(limits.PEER_ID_TEXT_MAX), kemKey: filled(1216), epoch: longest },
      jurisdiction: wide(limits.LABEL_TEXT_MAX),
    }
    const record = {
      ...{ objectId: filled(32), version: longest, ownerKey: filled(32), manifestHash: filled(32) },
      ...{ k: limits.POSITIONS_MAX_GF16, n: limits.POSITIONS_MAX_GF16, epoch: longest, height: longest },
      ...{ columns: filled(limits.POSITIONS_MAX_GF16 / 8), status: 'active' as const },
      moved: many(512, (column) => ({ column, nodeId: 'p'.repeat(limits.PEER_ID_TEXT_MAX) })),
    }
    const custody = {
      ...{ objectId: filled(32), version: longest, epoch: longest, t: 2, m: limits.CUSTODY_GUARDIANS_MAX },
      guardians: many(limits.CUSTODY_GUARDIANS_MAX, () => 'p'.repeat(limits.PEER_ID_TEXT_MAX)),
      ...{ commitRoot: filled(32), kcv: filled(32), policyHash: filled(32), ownerKey: filled(32) },
      ...{ frozen: true, status: 'active' as const },
    }
    const rows = [
      [nodeValue, node],
      [guardianValue, guardian],
      [recordValue, record],
      [custodyValue, custody],
    ] as const
    for (const [format, value] of rows) {
      // Each must be known to write what it can hold, and the tree must take it.
      const bytes = format.encode(value as never)
      expect(bytes.length, format.name).toBeLessThanOrEqual(limits.STATE_VALUE_BYTES_MAX)
      expect(format.decode(bytes)).toEqual(value)
    }
  })

  test('a transaction that its builder makes', () => {
    const tx = buildTx({
      ...{ chainId: 'n'.repeat(50), uniqueId: filled(16), validUntilHeight: longest },
      messages: many(limits.TX_MESSAGES_MAX, () => ({ type: 'grant.revoke' as const, grantId: filled(16) })),
      signers: many(limits.TX_AUTHS_MAX, key),
    })
    expect(decodeTx(tx).auths).toHaveLength(limits.TX_AUTHS_MAX)
    expect(() =>
      buildTx({
        ...{ chainId: 'n', uniqueId: filled(16), validUntilHeight: 1, signers: [key(1)] },
        messages: many(limits.TX_MESSAGES_MAX, () => ({
          ...{ type: 'record.anchor' as const, objectId: filled(32), version: 1, ownerKey: filled(32) },
          ...{ manifestHash: filled(32), k: 6, n: limits.POSITIONS_MAX_GF16, epoch: 1, moved: [] },
          columns: filled(limits.POSITIONS_MAX_GF16 / 8),
        })),
      }),
    ).toThrow(/at most 65\D?536/)
  })

  test('a genesis of as many validators and governors as it may have', () => {
    const genesis = {
      ...{ chainId: 'n'.repeat(50), timeMs: 1_700_000_000_000 },
      validators: many(128, (at) => ({ publicKey: key(at).publicKey, power: 1e14, institution: wide(64) })),
      params: { governors: many(64, (at) => key(at).publicKey), epochBlocksMin: 1_000_000 },
    }
    expect(decodeGenesis(encodeGenesis(genesis))).toEqual(genesis)
  })
})
