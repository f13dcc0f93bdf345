import { assert } from '../assert.ts'
import { equalSecret } from '../bytes.ts'
import { XcareError } from '../errors.ts'
import { CHUNK_BYTES, CHUNK_TAG_BYTES } from '../limits.ts'
import { chunkNonce, cobblestoneKeys, cobblestoneLength, cobblestonePlainLength } from './cobblestone.ts'
import { gcmParameters, importGcmKey, subtleSource } from './primitive/subtle.ts'

const SEALED_CHUNK_BYTES = CHUNK_BYTES + CHUNK_TAG_BYTES
/** WebCrypto spends most of a call waiting; this many at once fill the machine. */
const CALLS_IN_FLIGHT = 16

/** Runs `step` for 0 to `count`-1, several at once. The first failure wins; no new step starts after it. */
async function inFlight(count: number, step: (index: number) => Promise<void>): Promise<void> {
  let next = 0
  async function worker(): Promise<void> {
    while (next < count) {
      try {
        await step(next++)
      } catch (error) {
        next = count
        throw error
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(count, CALLS_IN_FLIGHT) }, worker))
}

/** Seals a whole message with WebCrypto: same bytes as CobblestoneSealer. @returns the body and its commitment. */
export async function sealBodySubtle(
  key: Uint8Array,
  salt: Uint8Array,
  context: Uint8Array,
  plain: Uint8Array,
): Promise<{ body: Uint8Array; commitment: Uint8Array }> {
  const keys = cobblestoneKeys(key, salt, context)
  const handle = await importGcmKey(keys.key, 'encrypt')
  const body = new Uint8Array(cobblestoneLength(plain.length))
  await inFlight(Math.ceil(body.length / SEALED_CHUNK_BYTES), async (index) => {
    const chunk = subtleSource(plain.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES))
    const sealed = await crypto.subtle.encrypt(
      gcmParameters(chunkNonce(keys.baseNonce, index)),
      handle,
      chunk,
    )
    body.set(new Uint8Array(sealed), index * SEALED_CHUNK_BYTES)
  })
  return { body, commitment: keys.commitment }
}

/** Opens a whole body with WebCrypto. @throws XcareError INTEGRITY as CobblestoneOpener does; nothing is returned then. */
export async function openBodySubtle(
  key: Uint8Array,
  salt: Uint8Array,
  commitment: Uint8Array,
  context: Uint8Array,
  body: Uint8Array,
): Promise<Uint8Array> {
  const keys = cobblestoneKeys(key, salt, context)
  if (!equalSecret(keys.commitment, commitment))
    throw new XcareError('INTEGRITY', 'this key does not belong to this sealed content')
  const plain = new Uint8Array(cobblestonePlainLength(body.length))
  const handle = await importGcmKey(keys.key, 'decrypt')
  await inFlight(Math.ceil(body.length / SEALED_CHUNK_BYTES), async (index) => {
    const sealed = subtleSource(body.subarray(index * SEALED_CHUNK_BYTES, (index + 1) * SEALED_CHUNK_BYTES))
    const nonce = gcmParameters(chunkNonce(keys.baseNonce, index))
    let chunk: ArrayBuffer
    try {
      chunk = await crypto.subtle.decrypt(nonce, handle, sealed)
    } catch (cause) {
      throw new XcareError('INTEGRITY', `chunk ${index} of the sealed content was altered or cut off`, {
        cause,
      })
    }
    assert(chunk.byteLength + CHUNK_TAG_BYTES === sealed.length, 'GCM keeps lengths')
    plain.set(new Uint8Array(chunk), index * CHUNK_BYTES)
  })
  return plain
}
