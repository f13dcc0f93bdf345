import { utf8 } from '../bytes.ts'
import { MEDIA_TYPE_TEXT_MAX, RECORD_NAME_MAX } from '../limits.ts'
import { z } from '../schema.ts'

// Control characters, and the direction marks that make a name look like another one.
const UNPRINTABLE = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/u
const MEDIA_TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,62}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}(; ?[!-~]+=[ -~]+)?$/i

/**
 * Name of a record: a relative path with `/`. At most 255 bytes of UTF-8; no control or direction characters,
 * no backslash, no empty, `.` or `..` segment, no drive letter. It is chosen by an owner: what is written on
 * a reader's machine gets its name from `src/sdk/local-names.ts`. Spec: docs/spec/manifest.md 3.
 */
export const recordName = z.string().refine(isRecordName, 'not a safe record name')

/** Media type as in RFC 6838, with at most one parameter; at most 255 characters. */
export const mediaType = z.string().max(MEDIA_TYPE_TEXT_MAX).regex(MEDIA_TYPE, 'not a media type')

function isRecordName(name: string): boolean {
  if (name.length === 0 || utf8(name).length > RECORD_NAME_MAX || !name.isWellFormed()) return false
  if (UNPRINTABLE.test(name) || name.includes('\\') || /^[a-z]:/i.test(name)) return false
  return name.split('/').every((segment) => segment !== '' && segment !== '.' && segment !== '..')
}
