import { institutionKey } from '../../chain-anchor/app/keys.ts'
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
}

/** Registers the institutions that the chain does not know yet. @param governor a key that may admit them; whoever started a local network has it. */
export async function admitInstitutions(
  ledger: Ledger,
  institutions: LocalInstitution[],
  governor: SigningKey,
): Promise<void> {
  const known = await Promise.all(
    institutions.map(({ instId }) => ledger.read(institutionKey(instId), HEADER_AGE_MS_MAX)),
  )
  const missing = institutions.filter((_, at) => known[at]!.value === null)
  const messages = await Promise.all(missing.map(registration))
  const ports = { ledger, random: systemRandom }
  for (let at = 0; at < messages.length; at += TX_MESSAGES_MAX)
    await submitMessages(ports, messages.slice(at, at + TX_MESSAGES_MAX), [governor])
}

async function registration({ instId, name, roles, folder }: LocalInstitution) {
  const { publicKey } = await keepSigningKey(folder, 'operator')
  return { type: 'institution.register' as const, instId, name, roles, signKey: publicKey }
}
