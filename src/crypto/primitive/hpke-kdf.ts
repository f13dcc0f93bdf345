import type { KDF } from 'hpke'
import { native } from '#native'
import { concat } from '../../bytes.ts'

const HASH_BYTES = 32

/**
 * HKDF-SHA256 (RFC 5869) as the KDF of the HPKE library, answered at once. The library's own asks WebCrypto, a job of another
 * thread for each of the ten short hashes of one envelope.
 */
export function hkdfSha256(): KDF {
  const unused = () => Promise.reject(new Error('this KDF has two stages'))
  return {
    ...{ id: 0x0001, type: 'KDF', name: 'HKDF-SHA256', Nh: HASH_BYTES, stages: 2 },
    Extract: async (salt, ikm) => native.hmacSha256(salt, [ikm]),
    Expand: async (prk, info, length) => expand(prk, info, length),
    Derive: unused,
  }
}

function expand(prk: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  const blocks: Uint8Array[] = []
  let block: Uint8Array = new Uint8Array(0)
  for (let number = 1; blocks.length * HASH_BYTES < length; number++) {
    block = native.hmacSha256(prk, [block, info, Uint8Array.of(number)])
    blocks.push(block)
  }
  return concat(...blocks).slice(0, length)
}
