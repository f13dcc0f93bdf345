import { concat, equalBytes, utf8 } from '../bytes.ts'
import { type KemKey, sealEnvelope } from '../crypto/envelope.ts'
import { sha256 } from '../crypto/hash.ts'
import type { SigningKey } from '../crypto/sign.ts'
import { XcareError } from '../errors.ts'
import { nodeIdOfKey } from '../ids.ts'
import { bytes, bytesMax, z } from '../schema.ts'
import * as shape from './_shapes.ts'
import { type Signed, signedFormat } from './_signed.ts'

/** Gossip topic of notices. */
export const NOTICE_TOPIC = 'notices'
/** A whole notice, at most, in bytes. */
const NOTICE_BYTES_MAX = 4096

const NOTICE_INFO = 'xcare/notice/v1'
const TAG_PREFIX = utf8('xcare/notice-tag/v1')
const TAG_BYTES = 16

const notice = z.strictObject({
  v: z.literal(1),
  network: shape.network,
  guardianId: shape.guardianId,
  signKey: shape.bytes32,
  nonce: bytes(16),
  tag: bytes(TAG_BYTES),
  sealed: bytesMax(NOTICE_BYTES_MAX),
  timeMs: shape.timeMs,
})

/** A receipt on its way to an owner nobody else can recognise. Spec: docs/spec/notice.md 2. */
export type Notice = z.infer<typeof notice>
/** Signed by the guardian. */
export const noticeFormat = signedFormat<Notice>('notice', 'xcare/notice/v1', NOTICE_BYTES_MAX, notice)

/** Where a guardian sends the notices of one object: both come with the deposit. */
export interface NoticeAddress {
  noticeKey: Uint8Array
  noticeTag: Uint8Array
}

/** Makes the notice of one receipt. @param nonce 16 random bytes. */
export async function sealNotice(
  key: SigningKey,
  from: { network: string; guardianId: string },
  to: NoticeAddress,
  receipt: Uint8Array,
  nonce: Uint8Array,
  timeMs: number,
): Promise<Uint8Array> {
  const tag = noticeTagOf(to.noticeTag, nonce)
  const sealed = await sealEnvelope(to.noticeKey, NOTICE_INFO, tag, receipt)
  return noticeFormat.sign(key, { v: 1, ...from, signKey: key.publicKey, nonce, tag, sealed, timeMs })
}

/**
 * @param look throws to leave a notice alone before its signature is looked at, which costs most.
 * @returns the notice in a gossip payload when it is one of `network` and signed by the guardian it names,
 * else null.
 */
export function readNotice(
  payload: Uint8Array,
  network: string,
  look: (value: Notice) => void = () => {},
): Signed<Notice> | null {
  try {
    const notice = noticeFormat.decode(payload)
    const { signKey, guardianId } = notice.value
    if (notice.value.network !== network || nodeIdOfKey(signKey) !== guardianId) return null
    look(notice.value)
    return noticeFormat.isBy(signKey, notice) ? notice : null
  } catch (error) {
    if (error instanceof XcareError && error.code === 'MALFORMED') return null
    throw error
  }
}

/** @returns whether the notice is for the object with this tag secret (32 bytes). */
export function isNoticeFor(value: Notice, noticeTag: Uint8Array): boolean {
  return equalBytes(value.tag, noticeTagOf(noticeTag, value.nonce))
}

/** @returns the signed receipt inside a notice. @throws XcareError INTEGRITY */
export function openNotice(key: KemKey, received: Signed<Notice>): Promise<Uint8Array> {
  return key.open(received.value.sealed, NOTICE_INFO, received.value.tag)
}

function noticeTagOf(secret: Uint8Array, nonce: Uint8Array): Uint8Array {
  return sha256(concat(TAG_PREFIX, secret, nonce)).slice(0, TAG_BYTES)
}
