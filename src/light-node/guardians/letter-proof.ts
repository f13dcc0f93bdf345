import { equalBytes } from '../../bytes.ts'
import { custodyKey, grantKey } from '../../chain-anchor/app/keys.ts'
import { custodyValue, type GrantValue, grantValue } from '../../chain-anchor/app/values.ts'
import { grantCommitment, type HeldGrant, isGrantSignedBy, saltOf } from '../../custody/grant.ts'
import { HEADER_AGE_MS_MAX } from '../../limits.ts'
import type { Ledger } from '../../ports.ts'

const READS_AT_ONCE = 16

/**
 * What the chain makes of a letter. `undecided`: it may know the grant in a newer block than can be had now.
 */
export type LetterVerdict = 'proven' | 'revoked' | 'made-up' | 'undecided'

/**
 * Decides about letters of one fetch. Whoever may put letters into a mailbox is a stranger; only the chain
 * says which of them are permissions.
 */
export class LetterProof {
  readonly #ledger: Ledger
  /** No older block is looked at. */
  #block = 0
  /** What a state of this height does not know was not there when the letters came. */
  #freshFrom = Number.POSITIVE_INFINITY

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  /**
   * Proven: the chain has this very grant as active, and the owner of each of its objects signed it.
   * @throws XcareError as the ledger
   */
  async verdictOf(held: HeldGrant): Promise<LetterVerdict> {
    const found = await this.#grantOf(held.grant.grantId)
    if (found === 'undecided') return found
    if (!found || !isSameGrant(found, held)) return 'made-up'
    if (found.status !== 'active') return 'revoked'
    return (await this.#isSignedByOwners(held)) ? 'proven' : 'made-up'
  }

  async #grantOf(grantId: Uint8Array): Promise<GrantValue | null | 'undecided'> {
    const first = await this.#ledger.read(grantKey(grantId), HEADER_AGE_MS_MAX, this.#block)
    if (first.value) return grantValue.decode(first.value)
    if (first.height >= this.#freshFrom) return null
    this.#block = first.height + 1
    const second = await this.#ledger.read(grantKey(grantId), HEADER_AGE_MS_MAX, this.#block)
    if (second.value) return grantValue.decode(second.value)
    if (second.height <= first.height) return 'undecided'
    this.#freshFrom = second.height
    return null
  }

  async #isSignedByOwners({ grantBytes, objects }: HeldGrant): Promise<boolean> {
    for (let at = 0; at < objects.length; at += READS_AT_ONCE) {
      const signed = objects.slice(at, at + READS_AT_ONCE).map(async ({ objectId, ownerSignature }) => {
        const { value } = await this.#ledger.read(custodyKey(objectId), HEADER_AGE_MS_MAX)
        return (
          value !== null && isGrantSignedBy(custodyValue.decode(value).ownerKey, grantBytes, ownerSignature)
        )
      })
      if (!(await Promise.all(signed)).every(Boolean)) return false
    }
    return true
  }
}

/**
 * @returns whether what the chain has under the grant's id is this grant: the commitment hides it, so each
 * part is compared.
 */
export function isSameGrant(
  { commitment, revokeKey, notAfterMs }: GrantValue,
  { grant, grantBytes, secret }: HeldGrant,
): boolean {
  return (
    equalBytes(commitment, grantCommitment(saltOf(secret), grantBytes)) &&
    equalBytes(revokeKey, grant.revokeKey) &&
    notAfterMs === grant.notAfterMs
  )
}
