import { toHex } from '../../bytes.ts'
import { parsePurpose, purposeWords } from '../../custody/purpose.ts'
import type { Vault } from '../../identity/vault.ts'
import type { IssuedGrant, VaultNotice } from '../../identity/vault-entry.ts'
import { wasRead } from './notice-keeper.ts'

/** A notice for people, and its facts for machines. */
export interface NoticeText {
  /**
   * Plain sentences: who read or asked for what, why and when, how many guardians agreed, what the owner can
   * do.
   */
  sentence: string
  timeMs: number
  objectId: Uint8Array
  grantId: Uint8Array
  purpose: string
  /** DID of the reader, or null when this wallet does not know the permission. */
  granteeDid: string | null
  agreed: number
  of: number
  /** How many guardians it takes, and whether so many agreed; null when an older program did not note it. */
  needed: number | null
  read: boolean | null
  /** Guardians speak of a permission that the owner never gave. */
  suspicious: boolean
}

/** @returns all notices in the vault, newest first; parts of a larger record are told by the record itself. */
export function noticeTexts(vault: Vault, nowMs: number): NoticeText[] {
  const grants = new Map(vault.issued().map((grant) => [toHex(grant.grantId), grant]))
  return vault
    .notices()
    .filter(({ objectId }) => vault.get(objectId)?.kind !== 'part')
    .sort((a, b) => b.timeMs - a.timeMs)
    .map((notice) =>
      textOf(notice, vault.get(notice.objectId)?.name ?? null, grants.get(toHex(notice.grantId)), nowMs),
    )
}

function textOf(
  notice: VaultNotice,
  name: string | null,
  grant: IssuedGrant | undefined,
  nowMs: number,
): NoticeText {
  const { timeMs, objectId, grantId, purpose, by, of } = notice
  const what = name ? `"${name}"` : 'a record you have removed'
  const emergency = purpose === 'ETREAT' ? 'Emergency. ' : ''
  const when = `${purposeWords(parsePurpose(purpose))} at ${timeText(timeMs)}`
  const told = notice.ours === false ? suspicion(notice, what, when) : reading(notice, what, when, grant)
  const advice = notice.ours === false ? '' : ` ${adviceOn(grant, grantId, nowMs)}`
  return {
    sentence: `${emergency}${told}${advice}`,
    ...{ timeMs, objectId, grantId, purpose, of },
    granteeDid: grant?.granteeDid ?? null,
    agreed: by.length,
    needed: notice.needed ?? null,
    read: wasRead(notice),
    suspicious: notice.ours === false,
  }
}

function reading(notice: VaultNotice, what: string, when: string, grant: IssuedGrant | undefined): string {
  const { by, of, needed } = notice
  const who = grant ? grant.granteeName : 'Someone with a permission this wallet does not know'
  const agreed = `${by.length} of ${of} guardians agreed`
  if (wasRead(notice)) return `${who} read ${what} ${when}. ${agreed}.`
  const asked = `${who} asked to read ${what} ${when}. ${agreed}`
  return needed === undefined ? `${asked}.` : `${asked}, ${needed} are needed: nothing was read.`
}

function suspicion(notice: VaultNotice, what: string, when: string): string {
  const { by, of, needed } = notice
  const say = `${by.length} of ${of} guardians ${by.length === 1 ? 'says' : 'say'}`
  const claim = `Suspicious: ${say} that ${what} was asked for ${when}, under a permission you never gave`
  return wasRead(notice)
    ? `${claim}. That many can give it away.`
    : `${claim}. It takes ${needed} to read it.`
}

function adviceOn(grant: IssuedGrant | undefined, grantId: Uint8Array, nowMs: number): string {
  if (grant?.revoked) return 'You have revoked this permission.'
  if (grant && grant.notAfterMs <= nowMs) return 'The permission has ended.'
  return `You can revoke: xcare revoke ${toHex(grantId)}`
}

/** Hours and minutes first: that is what people look for. */
function timeText(timeMs: number): string {
  const iso = new Date(timeMs).toISOString()
  return `${iso.slice(11, 16)} UTC on ${iso.slice(0, 10)}`
}
