import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import * as noble from '@panva/hpke-noble'
import * as hpke from 'hpke'
import { describe, expect, it } from 'vitest'
import { concat, fromHex, toHex, utf8 } from '../../src/bytes.ts'
import {
  ENVELOPE_OVERHEAD_BYTES,
  envelopesOver,
  kemKeyFromSeed,
  sealEnvelope,
} from '../../src/crypto/envelope.ts'
import { native as browser } from '../../src/crypto/native.browser.ts'
import { native as node } from '../../src/crypto/native.node.ts'
import { publicHandle, xwingKem } from '../../src/crypto/primitive/xwing-kem.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import { shared } from '../shared-data.ts'
import frozen from '../vectors/envelope.json' with { type: 'json' }

// Node warns that ML-KEM in WebCrypto is experimental: why our own KEM stays away from it, and no news in a test run.
process.removeAllListeners('warning')

const seed = systemRandom.bytes(32)
const aad = utf8('bound')
const plain = utf8('a share')
const INFO = 'xcare/deposit/v1'
const SUITE_BYTES = 6
const malformed = expect.objectContaining({ code: 'MALFORMED' })
const integrity = expect.objectContaining({ code: 'INTEGRITY' })

describe('frozen envelopes', () => {
  it.each(frozen.accept)('$name', async (vector) => {
    for (const { kemKeyFromSeed } of [envelopesOver(node.xwing), envelopesOver(browser.xwing)]) {
      const key = await kemKeyFromSeed(fromHex(vector.seed))
      expect(toHex(key.publicKey)).toBe(vector.publicKey)
      const opened = await key.open(fromHex(vector.envelope), vector.info, fromHex(vector.aad))
      expect(toHex(opened)).toBe(vector.plaintext)
    }
  })

  it.each(frozen.reject)('refuses $name', async (vector) => {
    for (const { kemKeyFromSeed } of [envelopesOver(node.xwing), envelopesOver(browser.xwing)]) {
      const key = await kemKeyFromSeed(fromHex(vector.seed))
      await expect(key.open(fromHex(vector.envelope), vector.info, fromHex(vector.aad))).rejects.toThrow(
        expect.objectContaining({ code: vector.code }),
      )
    }
  })
})

describe('envelopes', () => {
  it('are read by every backend whichever sealed them', async () => {
    const backends = [envelopesOver(node.xwing), envelopesOver(browser.xwing)]
    for (const from of backends) {
      for (const to of backends) {
        const key = await to.kemKeyFromSeed(seed)
        const envelope = await from.sealEnvelope(key.publicKey, INFO, aad, plain)
        expect(envelope).toHaveLength(plain.length + ENVELOPE_OVERHEAD_BYTES)
        expect(await key.open(envelope, INFO, aad)).toEqual(plain)
      }
    }
  })

  it('are HPKE as the library does it on WebCrypto and on noble', async () => {
    const own = await kemKeyFromSeed(seed)
    for (const { KEM_MLKEM768_X25519: kem } of [hpke, noble]) {
      const suite = new hpke.CipherSuite(kem, hpke.KDF_HKDF_SHA256, hpke.AEAD_AES_256_GCM)
      const theirs = await suite.DeserializePrivateKey(seed, true)
      const envelope = await sealEnvelope(own.publicKey, INFO, aad, plain)
      const enc = envelope.slice(SUITE_BYTES, SUITE_BYTES + 1120)
      const options = { info: utf8(INFO), aad }
      expect(await suite.Open(theirs, enc, envelope.slice(SUITE_BYTES + 1120), options)).toEqual(plain)
      const theirPublic = await suite.DeserializePublicKey(own.publicKey)
      const sealed = await suite.Seal(theirPublic, plain, options)
      const back = concat(envelope.subarray(0, SUITE_BYTES), sealed.encapsulatedSecret, sealed.ciphertext)
      expect(await own.open(back, INFO, aad)).toEqual(plain)
    }
  })

  it('hold nothing or a lot, and are never twice the same', async () => {
    const key = await kemKeyFromSeed(seed)
    for (const size of [0, 1, 100_000]) {
      const content = systemRandom.bytes(size)
      const envelope = await sealEnvelope(key.publicKey, INFO, new Uint8Array(0), content)
      expect(await key.open(envelope, INFO, new Uint8Array(0))).toEqual(content)
    }
    expect(await sealEnvelope(key.publicKey, INFO, aad, plain)).not.toEqual(
      await sealEnvelope(key.publicKey, INFO, aad, plain),
    )
  })

  it('open many times, many at once, and never with a public key', async () => {
    const key = await kemKeyFromSeed(seed)
    const sealed = await Promise.all(
      Array.from({ length: 20 }, (_, at) => sealEnvelope(key.publicKey, INFO, aad, Uint8Array.of(at))),
    )
    const opened = await Promise.all(sealed.map((envelope) => key.open(envelope, INFO, aad)))
    expect(opened).toEqual(sealed.map((_, at) => Uint8Array.of(at)))
    await expect(
      xwingKem(node.xwing).Decap(new Uint8Array(1120), publicHandle(key.publicKey), undefined),
    ).rejects.toThrow('public key')
  })

  it('refuse another purpose, other bound data and another key', async () => {
    const key = await kemKeyFromSeed(seed)
    const envelope = await sealEnvelope(key.publicKey, INFO, aad, plain)
    await expect(key.open(envelope, 'xcare/release/v1', aad)).rejects.toThrow(integrity)
    await expect(key.open(envelope, INFO, utf8('bounD'))).rejects.toThrow(integrity)
    const other = await kemKeyFromSeed(seed.map((byte) => byte ^ 1))
    await expect(other.open(envelope, INFO, aad)).rejects.toThrow(integrity)
  })

  it.each(['node', 'browser'] as const)('refuse any changed part and any cut, on %s', async (name) => {
    const { kemKeyFromSeed, sealEnvelope } = envelopesOver({ node, browser }[name].xwing)
    const key = await kemKeyFromSeed(seed)
    const envelope = await sealEnvelope(key.publicKey, INFO, aad, plain)
    for (let at = 0; at < envelope.length; at += at < SUITE_BYTES || at > 1120 ? 1 : 97) {
      const wrong = envelope.slice()
      wrong[at]! ^= 4
      await expect(key.open(wrong, INFO, aad), `byte ${at}`).rejects.toThrow(
        at < SUITE_BYTES ? malformed : integrity,
      )
    }
    for (const length of [0, 5, 6, 1125, 1126, ENVELOPE_OVERHEAD_BYTES - 1])
      await expect(key.open(envelope.subarray(0, length), INFO, aad)).rejects.toThrow(malformed)
    await expect(key.open(envelope.subarray(0, -1), INFO, aad)).rejects.toThrow(integrity)
    await expect(key.open(concat(envelope, Uint8Array.of(0)), INFO, aad)).rejects.toThrow(integrity)
  })

  it.each(['node', 'browser'] as const)('refuse keys and secrets that are none, on %s', async (name) => {
    const { kemKeyFromSeed, sealEnvelope } = envelopesOver({ node, browser }[name].xwing)
    await expect(kemKeyFromSeed(new Uint8Array(31))).rejects.toThrow(malformed)
    const key = await kemKeyFromSeed(seed)
    await expect(sealEnvelope(key.publicKey.subarray(1), INFO, aad, plain)).rejects.toThrow(malformed)
    const overflow = key.publicKey.slice().fill(0xff, 0, 300)
    await expect(sealEnvelope(overflow, INFO, aad, plain), 'coefficients beyond the modulus').rejects.toThrow(
      malformed,
    )
    const lowOrder = key.publicKey.slice().fill(0, 1184)
    await expect(sealEnvelope(lowOrder, INFO, aad, plain), 'X25519 part of small order').rejects.toThrow(
      malformed,
    )
    const envelope = await sealEnvelope(key.publicKey, INFO, aad, plain)
    envelope.fill(0, SUITE_BYTES + 1088, SUITE_BYTES + 1120)
    await expect(key.open(envelope, INFO, aad)).rejects.toThrow(integrity)
  })
})

interface HpkeVector {
  mode: number
  kem_id: number
  kdf_id: number
  aead_id: number
  info: string
  skRm: string
  pkRm: string
  enc: string
  shared_secret: string
  encryptions: { aad: string; ct: string; pt: string }[]
  exports: { exporter_context: string; L: number; exported_value: string }[]
}

const KDFS = { 1: noble.KDF_HKDF_SHA256, 3: noble.KDF_HKDF_SHA512, 17: noble.KDF_SHAKE256 }
const AEADS = { 1: noble.AEAD_AES_128_GCM, 2: noble.AEAD_AES_256_GCM, 3: noble.AEAD_ChaCha20Poly1305 }

/** Opens everything in a vector with the recipient's key. @returns how many ciphertexts. */
async function checkOpen<K extends hpke.Key>(
  kem: hpke.KEMFactory<K>,
  vector: HpkeVector,
  webCrypto = false,
): Promise<number> {
  const kdf = webCrypto ? hpke.KDF_HKDF_SHA256 : KDFS[vector.kdf_id as keyof typeof KDFS]
  const cipher = webCrypto ? hpke.AEAD_AES_256_GCM : AEADS[vector.aead_id as keyof typeof AEADS]
  const suite = new hpke.CipherSuite(kem, kdf, cipher)
  const key = await suite.DeserializePrivateKey(fromHex(vector.skRm), true)
  const context = await suite.SetupRecipient(key, fromHex(vector.enc), { info: fromHex(vector.info) })
  const encryptions = vector.encryptions.slice(0, 10)
  for (const { aad, ct, pt } of encryptions)
    expect(toHex(await context.Open(fromHex(ct), fromHex(aad)))).toBe(pt)
  for (const { exporter_context, L, exported_value } of vector.exports)
    expect(toHex(await context.Export(fromHex(exporter_context), L))).toBe(exported_value)
  return encryptions.length
}

const folder = shared('vectors/kem-hpke')
describe.skipIf(folder === null)('external KEM and HPKE vectors (needs ../shared/vectors)', () => {
  const read = (name: string) => readFileSync(`${folder}/${name}`)

  it('X-Wing: 3 of 3 on every backend', () => {
    const rows: Record<'seed' | 'pk' | 'ct' | 'ss', string>[] = JSON.parse(
      read('xwing-test-vectors.json').toString(),
    )
    for (const { seed, pk, ct, ss } of rows) {
      for (const { xwing } of [node, browser]) {
        const key = xwing.fromSeed(fromHex(seed))
        expect(toHex(key.publicKey)).toBe(pk)
        expect(toHex(key.decapsulate(fromHex(ct)))).toBe(ss)
      }
    }
    expect(rows).toHaveLength(3)
  })

  it('HPKE-PQ: both rows with X-Wing open through our own KEM', async () => {
    const rows: HpkeVector[] = JSON.parse(read('hpke-pq-vectors.json').toString())
    const ours = rows.filter(({ kem_id }) => kem_id === 0x647a)
    for (const vector of ours) {
      for (const { xwing } of [node, browser]) {
        const key = xwing.fromSeed(fromHex(vector.skRm))
        expect(toHex(key.publicKey)).toBe(vector.pkRm)
        expect(toHex(key.decapsulate(fromHex(vector.enc)))).toBe(vector.shared_secret)
        expect(await checkOpen(() => xwingKem(xwing), vector)).toBe(10)
      }
    }
    expect(ours).toHaveLength(2)
  })

  it('RFC 9180: base mode with our key derivation and cipher opens, on WebCrypto and on noble', async () => {
    const rows: HpkeVector[] = JSON.parse(gunzipSync(read('hpke-rfc9180-vectors.json.gz')).toString())
    const ours = rows.filter(({ mode, kdf_id, aead_id }) => mode === 0 && kdf_id === 1 && aead_id === 2)
    let opened = 0
    for (const vector of ours) {
      if (vector.kem_id === 0x20) {
        opened += await checkOpen(hpke.KEM_DHKEM_X25519_HKDF_SHA256, vector, true)
        opened += await checkOpen(noble.KEM_DHKEM_X25519_HKDF_SHA256, vector)
      } else if (vector.kem_id === 0x10) {
        opened += await checkOpen(hpke.KEM_DHKEM_P256_HKDF_SHA256, vector, true)
        opened += await checkOpen(noble.KEM_DHKEM_P256_HKDF_SHA256, vector)
      }
    }
    expect([ours.length, opened]).toEqual([4, 40])
  })
})
