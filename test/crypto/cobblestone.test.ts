import { readFileSync } from 'node:fs'
import { inflateSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { concat, fromHex, toHex } from '../../src/bytes.ts'
import type { Aead } from '../../src/crypto/aead.ts'
import {
  CobblestoneOpener,
  CobblestoneSealer,
  chunkNonce,
  cobblestoneKeys,
  cobblestoneLength,
  cobblestonePlainLength,
} from '../../src/crypto/cobblestone.ts'
import { openBodySubtle, sealBodySubtle } from '../../src/crypto/cobblestone-async.ts'
import { sha256, sha512 } from '../../src/crypto/hash.ts'
import { native as browser } from '../../src/crypto/native.browser.ts'
import { native as node } from '../../src/crypto/native.node.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import { CHUNK_BYTES, CHUNK_TAG_BYTES } from '../../src/limits.ts'
import frozen from '../vectors/sealing.json' with { type: 'json' }
import { wycheproof } from './wycheproof.ts'

const SEALED = CHUNK_BYTES + CHUNK_TAG_BYTES
const integrity = expect.objectContaining({ code: 'INTEGRITY' })
const key = systemRandom.bytes(32)
const salt = systemRandom.bytes(24)
const context = systemRandom.bytes(9)

function sealBody(plain: Uint8Array, cipher: Aead, secret = key, sealSalt = salt, bound = context) {
  const sealer = new CobblestoneSealer(secret, sealSalt, bound, cipher)
  const body = new Uint8Array(cobblestoneLength(plain.length))
  let at = 0
  for (let from = 0; from <= plain.length; from += CHUNK_BYTES)
    at = sealer.sealInto(
      plain.subarray(from, from + CHUNK_BYTES),
      plain.length - from < CHUNK_BYTES,
      body,
      at,
    )
  expect(at).toBe(body.length)
  return { body, commitment: sealer.commitment }
}

/** Opens as a streaming reader does. @returns what was released, and whether the whole body was sound. */
function openStream(opener: CobblestoneOpener, body: Uint8Array): { plain: Uint8Array; sound: boolean } {
  const released: Uint8Array[] = []
  try {
    for (let from = 0; ; from += SEALED) {
      const isLast = body.length - from < SEALED
      released.push(opener.open(body.subarray(from, from + SEALED), isLast))
      if (isLast) return { plain: concat(...released), sound: true }
    }
  } catch (error) {
    expect(error).toEqual(integrity)
    expect(() => opener.open(body.subarray(0, SEALED), false), 'keeps failing').toThrow(integrity)
    return { plain: concat(...released), sound: false }
  }
}

/** The plaintext of frozen vectors: byte i is (i * 31 + 7) mod 256. */
const pattern = (length: number) => Uint8Array.from({ length }, (_, at) => at * 31 + 7)

describe('frozen vectors of sealing', () => {
  it.each(frozen.cobblestone)('seals $length bytes', (vector) => {
    const secret = fromHex(vector.key)
    const { body, commitment } = sealBody(
      pattern(vector.length),
      node.aead,
      secret,
      fromHex(vector.salt),
      fromHex(vector.context),
    )
    expect([toHex(commitment), toHex(sha256(body))]).toEqual([vector.commitment, vector.bodySha256])
    if (vector.body !== undefined) expect(toHex(body)).toBe(vector.body)
  })

  it.each(frozen.cobblestoneReject)('refuses $name', (vector) => {
    expect(() => {
      const opener = new CobblestoneOpener(
        fromHex(vector.key),
        fromHex(vector.salt),
        fromHex(vector.commitment),
        fromHex(vector.context),
      )
      opener.open(fromHex(vector.body), true)
    }).toThrow(integrity)
  })
})

describe('Cobblestone-256', () => {
  const sizes = [0, 1, 16383, 16384, 16385, 100 * 1024]
  it.each(sizes)('gives identical bytes with node:crypto, WebCrypto and noble for %i bytes', async (size) => {
    const plain = systemRandom.bytes(size)
    const first = sealBody(plain, node.aead)
    expect(Buffer.compare(sealBody(plain, browser.aead).body, first.body)).toBe(0)
    const subtle = await sealBodySubtle(key, salt, context, plain)
    expect(Buffer.compare(subtle.body, first.body)).toBe(0)
    expect(subtle.commitment).toEqual(first.commitment)
    for (const cipher of [node.aead, browser.aead]) {
      const opened = openStream(
        new CobblestoneOpener(key, salt, first.commitment, context, cipher),
        first.body,
      )
      expect(opened.sound && Buffer.compare(opened.plain, plain)).toBe(0)
    }
    expect(
      Buffer.compare(await openBodySubtle(key, salt, first.commitment, context, first.body), plain),
    ).toBe(0)
  })

  it('gives identical bytes for 4 MiB and opens any chunk alone', async () => {
    const plain = systemRandom.bytes(4 * 1024 * 1024)
    const { body, commitment } = sealBody(plain, node.aead)
    expect(Buffer.compare((await sealBodySubtle(key, salt, context, plain)).body, body)).toBe(0)
    const opener = new CobblestoneOpener(key, salt, commitment, context, browser.aead)
    for (const index of [255, 0, 100]) {
      const chunk = opener.openAt(index, body.subarray(index * SEALED, (index + 1) * SEALED), false)
      expect(Buffer.compare(chunk, plain.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES))).toBe(0)
    }
    expect(opener.openAt(256, body.subarray(256 * SEALED), true)).toHaveLength(0)
  })

  it('knows the length of a body and back, and refuses lengths no body has', () => {
    for (const length of [...sizes, 268_435_456]) {
      expect(cobblestonePlainLength(cobblestoneLength(length))).toBe(length)
    }
    expect(sealBody(new Uint8Array(40_000), node.aead).body).toHaveLength(cobblestoneLength(40_000))
    for (const length of [0, 15, SEALED, SEALED + 15, 7 * SEALED + 3])
      expect(() => cobblestonePlainLength(length)).toThrow(integrity)
  })

  it('refuses another key, salt, context or commitment before any chunk', async () => {
    const { body, commitment } = sealBody(new Uint8Array(5), node.aead)
    const flip = (bytes: Uint8Array) => bytes.map((byte, at) => (at === 0 ? byte ^ 1 : byte))
    const wrong: [Uint8Array, Uint8Array, Uint8Array, Uint8Array][] = [
      [flip(key), salt, commitment, context],
      [key, flip(salt), commitment, context],
      [key, salt, flip(commitment), context],
      [key, salt, commitment.subarray(0, 31), context],
      [key, salt, commitment, flip(context)],
      [key, salt, commitment, new Uint8Array(0)],
    ]
    for (const parts of wrong) {
      expect(() => new CobblestoneOpener(...parts)).toThrow(integrity)
      await expect(openBodySubtle(...parts, body)).rejects.toThrow(integrity)
    }
  })

  it('refuses a chunk that was moved, cut, grown or declared last', async () => {
    const plain = systemRandom.bytes(2 * CHUNK_BYTES + 10)
    const { body, commitment } = sealBody(plain, node.aead)
    const opener = new CobblestoneOpener(key, salt, commitment, context)
    const chunk = (index: number) => body.subarray(index * SEALED, (index + 1) * SEALED)
    const wrong: [number, Uint8Array, boolean][] = [
      [1, chunk(0), false],
      [0, chunk(0), true],
      [2, chunk(2), false],
      [2, chunk(2).subarray(0, -1), true],
      [2, chunk(2).subarray(0, 15), true],
      [2, new Uint8Array(0), true],
      [2, concat(chunk(2), Uint8Array.of(0)), true],
      [0, concat(chunk(0), Uint8Array.of(0)), false],
      [3, chunk(2), true],
    ]
    for (const parts of wrong) expect(() => opener.openAt(...parts)).toThrow(integrity)
    for (const cut of [
      body.subarray(0, 2 * SEALED),
      body.subarray(0, -1),
      concat(chunk(1), chunk(0), chunk(2)),
    ])
      await expect(openBodySubtle(key, salt, commitment, context, cut)).rejects.toThrow(integrity)
  })

  it('does not let a caller seal a stream that cannot be opened', () => {
    const sealer = () => new CobblestoneSealer(key, salt, context)
    expect(() => sealer().seal(new Uint8Array(CHUNK_BYTES), true)).toThrow('last chunk is short')
    expect(() => sealer().seal(new Uint8Array(CHUNK_BYTES - 1), false)).toThrow('last chunk is short')
    const ended = sealer()
    ended.seal(new Uint8Array(1), true)
    expect(() => ended.seal(new Uint8Array(1), true)).toThrow('after the last chunk')
    expect(() => new CobblestoneSealer(key.subarray(1), salt, context)).toThrow(
      expect.objectContaining({ code: 'MALFORMED' }),
    )
  })

  it('counts chunks in the low bytes of the nonce, beyond 32 bits too', () => {
    const base = fromHex('000102030405060708090a0b')
    expect(toHex(chunkNonce(base, 0x0102))).toBe('00010203040506070809 0b09'.replace(' ', ''))
    expect(toHex(chunkNonce(base, 2 ** 37 + 1))).toBe('000102030405062708090a0a')
    expect(() => chunkNonce(base, 2 ** 38)).toThrow('chunk counter')
  })
})

interface CobblestoneCase {
  tcId: number
  key: string
  ctx: string
  ct: string
  aeadKey?: string
  baseNonce?: string
  msgLength?: number
  msgSha512?: string
  flags: string[]
  result: 'valid' | 'invalid'
}

function checkCase(test: CobblestoneCase, cipher: Aead): void {
  const sealed = new Uint8Array(inflateSync(fromHex(test.ct)))
  const make = () =>
    new CobblestoneOpener(
      fromHex(test.key),
      sealed.subarray(0, 24),
      sealed.subarray(24, 56),
      fromHex(test.ctx),
      cipher,
    )
  if (test.flags.includes('HeaderFailure')) {
    expect(make).toThrow()
    return
  }
  const keys = cobblestoneKeys(fromHex(test.key), sealed.subarray(0, 24), fromHex(test.ctx))
  expect([toHex(keys.key), toHex(keys.baseNonce)]).toEqual([test.aeadKey, test.baseNonce])
  const { plain, sound } = openStream(make(), sealed.subarray(56))
  expect(sound).toBe(test.result === 'valid')
  // An invalid message may release its valid beginning and nothing else.
  expect(plain.length).toBe(test.msgLength ?? 0)
  if (test.msgSha512 !== undefined) expect(toHex(sha512(plain))).toBe(test.msgSha512)
  if (test.flags.includes('ValidFinalChunk')) {
    const body = sealed.subarray(56)
    const index = Math.floor(body.length / SEALED)
    make().openAt(index, body.subarray(index * SEALED), true)
  }
}

describe.skipIf(wycheproof === null)('Wycheproof (needs ../shared/vectors)', () => {
  const file = () => readFileSync(`${wycheproof}/c2sp_chunked_encryption_aes_256_gcm_test.json`, 'utf8')

  it('chunked encryption: all 35 cases, partial plaintexts exactly', () => {
    const cases: CobblestoneCase[] = JSON.parse(file()).testGroups[0].tests
    for (const test of cases) checkCase(test, node.aead)
    for (const test of cases) if ((test.msgLength ?? 0) < 100_000) checkCase(test, browser.aead)
    expect(cases).toHaveLength(35)
  })
})
