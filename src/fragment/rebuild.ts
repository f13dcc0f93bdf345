import { shareAt } from '../crypto/shamir.ts'
import { XcareError } from '../errors.ts'
import { FRAGMENT_HEAD_BYTES } from '../limits.ts'
import { rebuildShard } from './erasure/erasure.ts'
import { SHARE_AT, SHARE_BYTES, writeHead } from './header.ts'
import { fragmentBytesOf } from './layout.ts'
import { headerOf, type Manifest } from './manifest.ts'

/**
 * Makes a lost fragment again, byte for byte, from k others of its stripe. Needs no key; whoever does it could learn the stripe's
 * secret, never the custody key. Check the result against the column's hashes or root.
 * @param fragments n entries, whole proven fragments or null; the entry at `column` is not looked at.
 * @throws XcareError TOO_FEW_FRAGMENTS with fewer than k, MALFORMED on a wrong size.
 */
export function rebuildFragment(
  manifest: Manifest,
  stripe: number,
  column: number,
  fragments: readonly (Uint8Array | null)[],
): Uint8Array {
  const { k, n, shardBytes } = manifest
  const others = fragments.map((fragment, at) => (at === column ? null : fragment))
  const known = others.filter((fragment) => fragment !== null).slice(0, k)
  if (known.length < k)
    throw new XcareError(
      'TOO_FEW_FRAGMENTS',
      `${k} fragments of a stripe are needed, ${known.length} are there`,
    )
  if (known.some((fragment) => fragment.length !== fragmentBytesOf(manifest)))
    throw new XcareError('MALFORMED', 'a fragment has another size than its object has')
  const shards = others.map((fragment) => fragment?.subarray(FRAGMENT_HEAD_BYTES) ?? null)
  const shares = known.map((fragment) => fragment.subarray(SHARE_AT, SHARE_AT + SHARE_BYTES))
  const rebuilt = new Uint8Array(fragmentBytesOf(manifest))
  writeHead(headerOf(manifest, stripe, column), shareAt(shares, column + 1), rebuilt, 0)
  rebuilt.set(rebuildShard(shards, column, k, n, shardBytes), FRAGMENT_HEAD_BYTES)
  return rebuilt
}
