import { concat } from '../bytes.ts'
import { combineShares, splitInOrder } from '../crypto/shamir.ts'
import { XcareError } from '../errors.ts'
import type { Random } from '../ports.ts'
import { SHARE_BYTES } from './header.ts'
import { combineWideShares, dealWideShares, hasWideShares } from './wide-shares.ts'

const SECRET_BYTES = 32

/** The dispersal secret of an object and, by stripe and column, the shares that hold it. */
export interface StripeSecrets {
  /** R, 32 bytes: the xor of the secrets of all stripes. */
  secret: Uint8Array
  /** n shares of 33 bytes for each stripe, one after another. */
  shares: Uint8Array[]
}

/** Tells whether share `at` of a stripe is one that the owner dealt, for instance by its proven leaf. */
export type ShareCheck = (share: Uint8Array, stripe: number, at: number) => boolean

/** Draws a secret for each stripe and shares it out: column j gets the share at its own position. */
export function dealStripeSecrets(
  { stripes, k, n }: { stripes: number; k: number; n: number },
  random: Random,
): StripeSecrets {
  const secret = new Uint8Array(SECRET_BYTES)
  const shares: Uint8Array[] = []
  for (let stripe = 0; stripe < stripes; stripe++) {
    const dealt = hasWideShares(n) ? dealWideShares(k, n, random) : dealNarrowShares(k, n, random)
    xorInto(secret, dealt.secret)
    shares.push(dealt.shares)
  }
  return { secret, shares }
}

function dealNarrowShares(k: number, n: number, random: Random): { secret: Uint8Array; shares: Uint8Array } {
  const secret = random.bytes(SECRET_BYTES)
  return { secret, shares: concat(...splitInOrder(secret, n, k, random)) }
}

/**
 * Combines R, the dispersal secret. Shares of an odd length, at position 0, at a position already taken or refused by `check`
 * are left out. Only the body's key commitment proves the result (`ObjectReader`): shares may come unproven.
 * @param sharesByStripe for every stripe shares of at least k columns, as `placeShare` gives them. @param check optional proof of each.
 * @returns R, 32 bytes. @throws XcareError TOO_FEW_FRAGMENTS when a stripe has fewer than k shares, INTEGRITY fewer than k sound ones.
 */
export async function combineStripeSecrets(
  sharesByStripe: readonly (readonly Uint8Array[])[],
  { stripes, k, n }: { stripes: number; k: number; n: number },
  check: ShareCheck = () => true,
): Promise<Uint8Array> {
  if (sharesByStripe.length !== stripes)
    throw new XcareError(
      'TOO_FEW_FRAGMENTS',
      `key shares of ${sharesByStripe.length} stripes, ${stripes} needed`,
    )
  const secret = new Uint8Array(SECRET_BYTES)
  for (const [stripe, shares] of sharesByStripe.entries()) {
    if (shares.length < k)
      throw new XcareError(
        'TOO_FEW_FRAGMENTS',
        `stripe ${stripe} has ${shares.length} key shares, ${k} needed`,
      )
    const proven = (share: Uint8Array, at: number) => check(share, stripe, at)
    const sound = (share: Uint8Array, at: number) => share.length === SHARE_BYTES && proven(share, at)
    xorInto(
      secret,
      hasWideShares(n) ? combineWideShares(shares, { k, n }, proven) : await combineShares(shares, k, sound),
    )
  }
  return secret
}

function xorInto(target: Uint8Array, other: Uint8Array): void {
  for (let at = 0; at < target.length; at++) target[at]! ^= other[at]!
}
