import { identityKey } from '../chain-anchor/app/keys.ts'
import { type IdentityValue, identityValue } from '../chain-anchor/app/values.ts'
import { submitMessages } from '../chain-anchor/light/submit-messages.ts'
import type { SigningKey } from '../crypto/sign.ts'
import { XcareError } from '../errors.ts'
import type { Did } from '../ids.ts'
import { HEADER_AGE_MS_MAX } from '../limits.ts'
import type { Ledger, PublicIdentity, Random } from '../ports.ts'

/** Makes an identity known to the chain, once. @param inception its signed first event. @throws XcareError REFUSED, OFFLINE */
export async function registerIdentity(
  ports: { ledger: Ledger; random: Random },
  { did, inception, signing }: { did: Did; inception: Uint8Array; signing: SigningKey },
): Promise<void> {
  if (await readIdentityOrNull(ports.ledger, did)) return
  await submitMessages(ports, [{ type: 'identity.register', did, inception }], [signing])
}

/** @returns the current keys of a person or institution. @throws XcareError NOT_FOUND when the chain does not know the DID. */
export async function readIdentity(ledger: Ledger, did: Did): Promise<PublicIdentity> {
  const found = await readIdentityOrNull(ledger, did)
  if (found) return { did, signKey: found.signKey, kemKey: found.kemKey }
  throw new XcareError('NOT_FOUND', `the chain knows no identity ${did}`, {
    next: 'whoever it belongs to must use their wallet once while the network is up',
  })
}

async function readIdentityOrNull(ledger: Ledger, did: Did): Promise<IdentityValue | null> {
  const { value } = await ledger.read(identityKey(did), HEADER_AGE_MS_MAX)
  return value && identityValue.decode(value)
}
