import { native } from '#native'
import { assert } from '../assert.ts'
import { utf8 } from '../bytes.ts'
import type { PassphraseCost } from './native-types.ts'

export type { PassphraseCost } from './native-types.ts'

const SALT_BYTES = 16

/**
 * Turns a passphrase into a key: Argon2id version 1.3, one lane (RFC 9106). The text is normalised (NFKC) first, so that two
 * keyboards that write the same letters differently give the same key. Same bytes on every platform.
 * @param salt 16 random bytes, stored beside the sealed secret. @param cost at least 8 KiB and one pass. @returns 32 bytes.
 */
export async function stretchPassphrase(
  passphrase: string,
  salt: Uint8Array,
  cost: PassphraseCost,
): Promise<Uint8Array> {
  assert(salt.length === SALT_BYTES, 'a 16-byte salt')
  assert(cost.memoryKiB >= 8 && cost.passes >= 1, 'Argon2id cost')
  return native.argon2id(utf8(passphrase.normalize('NFKC')), salt, cost)
}
