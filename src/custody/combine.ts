import { combineShares } from '../crypto/shamir.ts'
import { XcareError } from '../errors.ts'
import { type CustodyShare, type CustodyTerms, isCustodyKey, isDealtShare, SHARE_BYTES } from './deal.ts'

/** Subsets of shares tried before a bad dealer is reported. C(9, 5) = 126, C(13, 7) = 1,716. */
const SUBSETS_MAX = 2048

/**
 * Combines released shares to the custody key. Each is checked against its commitment, the key against `kcv`. When good shares
 * give a wrong key, the dealer made some of them wrong: other choices of t are tried.
 * @returns the 32-byte key, and whether the dealer was at fault. @throws XcareError TOO_FEW_GUARDIANS, INTEGRITY
 */
export async function combine(
  terms: CustodyTerms,
  released: CustodyShare[],
): Promise<{ custodyKey: Uint8Array; dealerFault: boolean }> {
  const good = distinct(released.filter((share) => isDealtShare(terms, share)))
  if (good.length < terms.t)
    throw new XcareError(
      'TOO_FEW_GUARDIANS',
      `${good.length} good custody shares arrived, ${terms.t} are needed`,
    )
  let tried = 0
  for (const chosen of subsets(good, terms.t)) {
    if (++tried > SUBSETS_MAX) break
    const custodyKey = await keyOf(chosen, terms.t)
    if (custodyKey && isCustodyKey(terms, custodyKey)) return { custodyKey, dealerFault: tried > 1 }
  }
  throw new XcareError('INTEGRITY', 'the custody shares are as dealt, but no choice of them gives the key', {
    next: 'whoever uploaded this record dealt wrong shares: ask them to upload it again',
  })
}

async function keyOf(chosen: CustodyShare[], t: number): Promise<Uint8Array | null> {
  try {
    return await combineShares(
      chosen.map(({ share }) => share),
      t,
      () => true,
    )
  } catch (error) {
    if (error instanceof XcareError && error.code === 'INTEGRITY') return null
    throw error
  }
}

/** First share of each index and of each x coordinate. */
function distinct(shares: CustodyShare[]): CustodyShare[] {
  const indexes = new Set<number>()
  const coordinates = new Set<number>()
  return shares.filter(({ index, share }) => {
    const x = share[SHARE_BYTES - 1]!
    if (indexes.has(index) || coordinates.has(x)) return false
    indexes.add(index)
    coordinates.add(x)
    return true
  })
}

function* subsets<T>(items: T[], size: number): Generator<T[]> {
  if (size === 0) {
    yield []
    return
  }
  for (let at = 0; at + size <= items.length; at++)
    for (const rest of subsets(items.slice(at + 1), size - 1)) yield [items[at]!, ...rest]
}
