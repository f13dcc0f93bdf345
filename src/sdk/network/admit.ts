import { equalBytes } from '../../bytes.ts'
import { institutionKey } from '../../chain-anchor/app/keys.ts'
import { institutionValue } from '../../chain-anchor/app/values.ts'
import { submitMessages } from '../../chain-anchor/light/submit-messages.ts'
import { systemRandom } from '../../crypto/random.ts'
import type { SigningKey } from '../../crypto/sign.ts'
import { HEADER_AGE_MS_MAX, TX_MESSAGES_MAX } from '../../limits.ts'
import type { Ledger } from '../../ports.ts'
import { keepSigningKey } from '../roles/role-folder.ts'

/** An institution to be admitted. `folder` is that of its part of the network, whose operator key becomes the institution's. */
export interface LocalInstitution {
  instId: string
  name: string
  roles: ('storage' | 'guardian')[]
  folder: string
  /** Its key was made anew on purpose: the governor lets it take the place of the old one. */
  isRenewed?: boolean
}

/**
 * Registers the institutions that the chain does not know yet, and those whose key was renewed.
 * @param governor a key that may admit them; whoever started a local network has it.
 * @returns those whose id another key has. They are not admitted.
 */
export async function admitInstitutions(
  ledger: Ledger,
  institutions: LocalInstitution[],
  governor: SigningKey,
): Promise<LocalInstitution[]> {
  const known = await Promise.all(institutions.map((institution) => standingOf(ledger, institution)))
  const missing = institutions.filter(
    ({ isRenewed }, at) => known[at] === 'unknown' || (isRenewed && known[at] === 'taken'),
  )
  const messages = await Promise.all(missing.map(registration))
  const ports = { ledger, random: systemRandom }
  for (let at = 0; at < messages.length; at += TX_MESSAGES_MAX)
    await submitMessages(ports, messages.slice(at, at + TX_MESSAGES_MAX), [governor])
  return institutions.filter((institution, at) => known[at] === 'taken' && !missing.includes(institution))
}

/** @returns whether the chain knows the institution: by its own key, not at all, or by the key of another. */
export async function standingOf(
  ledger: Ledger,
  { instId, folder }: Pick<LocalInstitution, 'instId' | 'folder'>,
): Promise<'own' | 'unknown' | 'taken'> {
  const { value } = await ledger.read(institutionKey(instId), HEADER_AGE_MS_MAX)
  if (value === null) return 'unknown'
  const { publicKey } = await keepSigningKey(folder, 'operator')
  return equalBytes(institutionValue.decode(value).signKey, publicKey) ? 'own' : 'taken'
}

async function registration({ instId, name, roles, folder }: LocalInstitution) {
  const { publicKey } = await keepSigningKey(folder, 'operator')
  return { type: 'institution.register' as const, instId, name, roles, signKey: publicKey }
}
