import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { base32 } from 'multiformats/bases/base32'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex, utf8 } from '../../src/bytes.ts'
import { sha256, sha512 } from '../../src/crypto/hash.ts'
import { signingKeyFromSeed } from '../../src/crypto/sign.ts'
import {
  didOf,
  fragmentCid,
  fragmentHashOf,
  nodeIdOfKey,
  objectIdFromBytes,
  objectIdToBytes,
  parseDid,
} from '../../src/ids.ts'
import { shared } from '../shared-data.ts'

const malformed = expect.objectContaining({ code: 'MALFORMED' })
const ID = Uint8Array.from({ length: 32 }, (_, at) => at * 7)

describe('object ids', () => {
  it('come back from text, which is 53 characters', () => {
    const text = objectIdFromBytes(ID)
    expect(text).toHaveLength(53)
    expect(objectIdToBytes(text)).toEqual(ID)
  })

  const text = objectIdFromBytes(ID)
  it.each([
    ['nothing', ''],
    ['upper case', text.toUpperCase()],
    ['another base', `z${text.slice(1)}`],
    ['one character less', text.slice(0, -1)],
    ['one character more', `${text}a`],
    ['bits beyond the last byte', `${text.slice(0, -1)}${text.endsWith('b') ? 'c' : 'b'}`],
    ['a letter outside the alphabet', `${text.slice(0, -1)}1`],
    ['padding', `${text}===`],
  ])('refuse %s', (_name, wrong) => {
    expect(() => objectIdToBytes(wrong)).toThrow(malformed)
  })

  it('refuse bytes of another length', () => {
    expect(() => objectIdFromBytes(new Uint8Array(31))).toThrow(malformed)
  })
})

describe('DIDs', () => {
  const did = didOf('xcare-local-1', ID)

  it('come back in their parts', () => {
    expect(parseDid(did)).toEqual({ did, network: 'xcare-local-1', inceptionHash: ID })
  })

  it.each([
    '',
    'did:xcare',
    did.replace('xcare:', 'xcarf:'),
    did.replace('did:', 'DID:'),
    `${did}:more`,
    `${did}#key`,
    did.replace('xcare-local-1', ''),
    did.replace('xcare-local-1', 'a b'),
  ])('refuse %j', (wrong) => {
    expect(() => parseDid(wrong)).toThrow(malformed)
  })
})

describe('fragment CIDs', () => {
  it('hold the BLAKE3 hash and give it back', () => {
    const cid = fragmentCid(ID)
    expect(fragmentHashOf(cid)).toEqual(ID)
    expect(CID.parse(cid)).toMatchObject({ version: 1, code: 0x55 })
  })

  const digest = (code: number, size = 32) => Digest.create(code, ID.subarray(0, size))
  it.each([
    ['no CID', 'hello'],
    ['nothing', ''],
    ['another codec', CID.createV1(0x71, digest(0x1e)).toString()],
    ['another hash', CID.createV1(0x55, digest(0x12)).toString()],
    ['a short hash', CID.createV1(0x55, digest(0x1e, 20)).toString()],
    ['version 0', CID.createV0(digest(0x12) as Digest.Digest<0x12, number>).toString()],
    ['upper case', fragmentCid(ID).toUpperCase()],
  ])('refuse %s', (_name, wrong) => {
    expect(() => fragmentHashOf(wrong)).toThrow(malformed)
  })
})

describe('node ids', () => {
  it('are the libp2p peer ids of Ed25519 keys', () => {
    for (const key of [new Uint8Array(32), ID, signingKeyFromSeed(ID).publicKey])
      expect(nodeIdOfKey(key)).toBe(peerIdFromPublicKey(publicKeyFromRaw(key)).toString())
    expect(nodeIdOfKey(ID)).not.toBe(nodeIdOfKey(ID.map((byte) => byte ^ 1)))
    expect(() => nodeIdOfKey(new Uint8Array(33))).toThrow(malformed)
  })
})

const cbor = shared('vectors/cbor/dag-cbor-fixtures')
const hashes = shared('vectors/cid/multihash-test_cases.csv')
describe.skipIf(cbor === null || hashes === null)('external CID vectors (needs ../shared/vectors)', () => {
  it('every DAG-CBOR fixture is named by the CID of its bytes', () => {
    let checked = 0
    for (const folder of readdirSync(cbor!)) {
      for (const file of readdirSync(join(cbor!, folder)).filter((name) => name.endsWith('.dag-cbor'))) {
        const bytes = new Uint8Array(readFileSync(join(cbor!, folder, file)))
        const cid = CID.createV1(0x71, Digest.create(0x12, sha256(bytes)))
        expect(cid.toString()).toBe(basename(file, '.dag-cbor'))
        checked++
      }
    }
    expect(checked).toBeGreaterThan(60)
  })

  it('SHA-2 multihashes are the published ones', () => {
    const rows = readFileSync(hashes!, 'utf8').trim().split('\n').slice(1)
    let checked = 0
    for (const row of rows) {
      const [algorithm, bits, input, multihash] = row.trim().split(',')
      if (algorithm !== 'sha2-256' && algorithm !== 'sha2-512') continue
      const full = algorithm === 'sha2-256' ? sha256(utf8(input!)) : sha512(utf8(input!))
      const code = algorithm === 'sha2-256' ? 0x12 : 0x13
      expect(toHex(Digest.create(code, full.subarray(0, Number(bits) / 8)).bytes)).toBe(multihash)
      expect(Digest.decode(fromHex(multihash!)).code).toBe(code)
      checked++
    }
    expect(checked).toBe(140)
    expect(base32.encode(ID)).toBe(objectIdFromBytes(ID))
  })
})
