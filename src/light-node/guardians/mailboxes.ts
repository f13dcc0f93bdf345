import { concat, toHex, utf8 } from '../../bytes.ts'
import type { GuardianValue } from '../../chain-anchor/app/values.ts'
import { sha256 } from '../../crypto/hash.ts'

/** Guardians that keep a copy of each letter. */
const MAILBOXES_MAX = 8

/** @returns the AAD that binds a sealed letter to its receiver. */
export function letterAad(recipient: string): Uint8Array {
  return utf8(recipient)
}

/** @returns the guardians that keep letters for a person: sender and receiver compute the same from one guardian list. */
export function mailboxesOf(guardians: GuardianValue[], recipient: string): GuardianValue[] {
  const rank = (guardianId: string) =>
    toHex(sha256(concat(utf8(recipient), Uint8Array.of(0), utf8(guardianId))))
  return guardians
    .filter(({ status }) => status === 'active')
    .map((guardian) => ({ guardian, rank: rank(guardian.guardianId) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
    .slice(0, MAILBOXES_MAX)
    .map(({ guardian }) => guardian)
}
