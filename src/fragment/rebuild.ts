import { shareAt } from '../crypto/shamir.ts'
import { XcareError } from '../errors.ts'
import { FRAGMENT_HEAD_BYTES } from '../limits.ts'
import { rebuildShards } from './erasure/erasure.ts'
import { SHARE_AT, SHARE_BYTES, writeHead } from './header.ts'
import { fragmentBytesOf } from './layout.ts'
import { headerOf, type Manifest } from './manifest.ts'
import { hasWideShares, wideSharesAt } from './wide-shares.ts'

/** n entries by column: whole proven fragments of one stripe, or null. */
type Fragments = readonly (Uint8Array | null)[]

/**
 * Makes a lost fragment again, byte for byte, from k others of its stripe. Needs no key; whoever does it could learn the stripe's
 * secret, never the custody key. Check the result against the column's hashes or root.
 * @param fragments the entry at `column` is not looked at.
 * @throws XcareError TOO_FEW_FRAGMENTS with fewer than k, MALFORMED on a wrong size.
 */
export function rebuildFragment(
  manifest: Manifest,
  stripe: number,
  column: number,
  fragments: Fragments,
): Uint8Array {
  return rebuildFragments(manifest, stripe, [column], fragments)[0]!
}

/** As `rebuildFragment`, for several columns lost at once: many cost little more than a few. @returns their fragments, in order. */
export function rebuildFragments(
  manifest: Manifest,
  stripe: number,
  columns: readonly number[],
  fragments: Fragments,
): Uint8Array[] {
  const { k, n, shardBytes } = manifest
  const others = fragments.slice()
  for (const column of columns) others[column] = null
  const known = others.filter((fragment) => fragment !== null)
  if (known.length < k)
    throw new XcareError(
      'TOO_FEW_FRAGMENTS',
      `${k} fragments of a stripe are needed, ${known.length} are there`,
    )
  if (known.some((fragment) => fragment.length !== fragmentBytesOf(manifest)))
    throw new XcareError('MALFORMED', 'a fragment has another size than its object has')
  const shards = others.map((fragment) => fragment?.subarray(FRAGMENT_HEAD_BYTES) ?? null)
  const rebuilt = rebuildShards(shards, columns, k, n, shardBytes)
  const shares = sharesAt(manifest, columns, others)
  return columns.map((column, at) => {
    const fragment = new Uint8Array(fragmentBytesOf(manifest))
    writeHead(headerOf(manifest, stripe, column), shares[at]!, fragment, 0)
    fragment.set(rebuilt[at]!, FRAGMENT_HEAD_BYTES)
    return fragment
  })
}

function sharesAt({ k, n }: Manifest, columns: readonly number[], others: Fragments): Uint8Array[] {
  const shares = others.map((fragment) => fragment?.subarray(SHARE_AT, SHARE_AT + SHARE_BYTES) ?? null)
  if (hasWideShares(n)) return wideSharesAt(shares, columns, { k, n })
  const known = shares.filter((share) => share !== null).slice(0, k)
  return columns.map((column) => shareAt(known, column + 1))
}
