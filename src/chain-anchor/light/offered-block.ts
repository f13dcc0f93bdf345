import { equalBytes } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import type { LightBlock } from '../comet/types.ts'
import type { Endpoint } from './endpoint.ts'
import { checkLightBlock } from './verifier.ts'

/**
 * Fetches a block that a person may decide to trust: sound by itself, which proves only that whoever made it
 * signed it.
 * @param height null for the newest.
 * @param hash what it must have, or null.
 * @throws XcareError INTEGRITY, OFFLINE, NOT_FOUND
 */
export async function offeredBlock(
  endpoint: Endpoint,
  chainId: string,
  height: number | null,
  hash: Uint8Array | null,
): Promise<LightBlock> {
  const { header, commit } = await endpoint.signedHeader(height)
  const block = { header, commit, validators: await endpoint.validators(header.height) }
  checkLightBlock(chainId, block)
  if (height !== null && header.height !== height)
    throw new XcareError('INTEGRITY', `${endpoint.name} gave block ${header.height} when asked for ${height}`)
  if (hash && !equalBytes(commit.blockId.hash, hash))
    throw new XcareError(
      'INTEGRITY',
      `${endpoint.name} has another block ${header.height} than the one with this hash`,
      {
        next: 'ask the institution that told you the hash which chain it means',
      },
    )
  return block
}
