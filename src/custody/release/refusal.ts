/** Why a guardian says no, in words for people. `about` tells whose matter it is: the grant, this guardian, or the asker's request. */
const REASONS = {
  malformed: { about: 'request', words: 'the request cannot be read' },
  'clock-skew': { about: 'clock', words: 'the clocks of asker and guardian differ by more than a minute' },
  replayed: { about: 'request', words: 'this very request was used before' },
  'wrong-network': { about: 'request', words: 'the request is for another network' },
  'wrong-guardian': { about: 'request', words: 'the request is for another guardian' },
  'unknown-grantee': { about: 'grant', words: 'the chain does not know who is asking' },
  'bad-signature': { about: 'request', words: 'the request was not signed by who it names' },
  'wrong-grantee': { about: 'grant', words: 'the permission is for someone else' },
  'wrong-key': { about: 'grant', words: 'the permission is for other keys than the asker has now' },
  'stale-view': { about: 'guardian', words: 'the guardian has no fresh view of the chain' },
  'no-grant': { about: 'grant', words: 'there is no such permission on the chain' },
  'altered-grant': { about: 'grant', words: 'the permission is not the one on the chain' },
  'not-by-owner': { about: 'grant', words: 'the owner of the record did not sign the permission' },
  revoked: { about: 'grant', words: 'the owner has revoked the permission' },
  'not-yet-valid': { about: 'grant', words: 'the permission is not valid yet' },
  expired: { about: 'grant', words: 'the permission has expired' },
  'no-custody': { about: 'guardian', words: 'the chain knows no custody of this record' },
  destroyed: { about: 'grant', words: 'the owner has had the key of this record destroyed' },
  'out-of-scope': { about: 'grant', words: 'the permission does not name this record' },
  'no-share': { about: 'guardian', words: 'the guardian holds no share for this record' },
  'wrong-epoch': { about: 'guardian', words: 'the guardian holds a share of another epoch' },
  'wrong-policy': { about: 'guardian', words: 'the share was deposited under another policy' },
  'wrong-purpose': { about: 'grant', words: 'the permission is for another purpose' },
  'limit-reached': { about: 'grant', words: 'the permission has been used as often as the owner allowed' },
  'rate-limited': { about: 'guardian', words: 'there were too many releases in a short time' },
  frozen: { about: 'grant', words: 'the owner has frozen this record' },
  'guardian-retired': { about: 'guardian', words: 'the guardian is leaving' },
  'not-owner': { about: 'request', words: 'the request was not signed by the owner' },
  'wrong-share': { about: 'request', words: 'the share is not the one the chain commits to' },
  full: { about: 'guardian', words: 'the mailbox is full' },
  busy: { about: 'guardian', words: 'the guardian is busy' },
  failed: { about: 'guardian', words: 'the guardian could not do it' },
} as const

/** One reason to refuse. The list is closed. */
export type RefusalReason = keyof typeof REASONS

/** All reasons, for the wire format. */
export const REFUSAL_REASONS = Object.keys(REASONS) as [RefusalReason, ...RefusalReason[]]

/** @returns the reason in words for people, without a full stop. */
export function refusalWords(reason: RefusalReason): string {
  return REASONS[reason].words
}

/** @returns whether the reason lies in the permission, so that no other try can help. */
export function isAboutGrant(reason: RefusalReason): boolean {
  return REASONS[reason].about === 'grant'
}
