import { concat, equalBytes, u32be, utf8 } from '../bytes.ts'
import { openSmall, sealSmall } from '../crypto/secretbox.ts'
import type { Random } from '../ports.ts'
import { LOG_ID_BYTES } from './_frame.ts'

const MAGIC = utf8('xcarevh2')
const AAD = utf8('xcare/vault-head/v2')
const NONCE_BYTES = 24

/**
 * What a second file remembers of a log: which one it is, and how many places of it were durable. It lags
 * behind, and never leads.
 */
export interface LogHead {
  id: Uint8Array
  count: number
}

/** @returns the sealed content of the file. */
export function sealHead(key: Uint8Array, random: Random, { id, count }: LogHead): Uint8Array {
  return concat(MAGIC, sealSmall(key, random.bytes(NONCE_BYTES), concat(id, u32be(count)), AAD))
}

/** @returns what it says, or null when it is absent or says nothing that can be believed. */
export function openHead(key: Uint8Array, content: Uint8Array | null): LogHead | null {
  if (!content || !equalBytes(content.subarray(0, MAGIC.length), MAGIC)) return null
  try {
    const plain = openSmall(key, content.subarray(MAGIC.length), AAD)
    if (plain.length !== LOG_ID_BYTES + 4) return null
    const count = new DataView(plain.buffer, plain.byteOffset).getUint32(LOG_ID_BYTES)
    return { id: plain.slice(0, LOG_ID_BYTES), count }
  } catch {
    return null
  }
}
