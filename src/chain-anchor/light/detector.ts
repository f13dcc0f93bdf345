import { equalBytes } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import { headerHash } from '../comet/header.ts'
import type { LightBlock } from '../comet/types.ts'
import type { Endpoint } from './endpoint.ts'

/** Two blocks of one height, both properly signed, and the block that vouches for both: proof that validators cheated. */
export interface Fork {
  common: LightBlock
  primary: LightBlock
  witness: LightBlock
}

/** The INTEGRITY error of a proven fork. Its `fork` is evidence to hand to every institution. */
export class ForkError extends XcareError {
  readonly fork: Fork

  constructor(fork: Fork, witness: string) {
    const { height } = fork.primary.header
    super(
      'INTEGRITY',
      `the chain shows two different blocks at height ${height}, both properly signed (the other one by ${witness})`,
      {
        next: 'stop trusting this chain and hand the saved evidence to the institutions that run it',
      },
    )
    this.fork = fork
  }
}

/** Fetches and verifies the block at `height` from one endpoint, starting at `common`. @throws XcareError */
export type VerifyFrom = (endpoint: Endpoint, common: LightBlock, height: number) => Promise<LightBlock>

/**
 * Asks every witness for the header at the height of `primary`. Witnesses that do not answer, are behind or cannot
 * back their version with signatures prove nothing and are passed over.
 * @param common the verified block both versions must descend from.
 * @returns how many witnesses confirmed `primary`.
 * @throws ForkError when a witness has another, properly signed block.
 */
export async function compareWithWitnesses(
  witnesses: readonly Endpoint[],
  common: LightBlock,
  primary: LightBlock,
  verify: VerifyFrom,
): Promise<number> {
  const confirmed = await Promise.all(witnesses.map((witness) => confirms(witness, common, primary, verify)))
  return confirmed.filter(Boolean).length
}

async function confirms(
  witness: Endpoint,
  common: LightBlock,
  primary: LightBlock,
  verify: VerifyFrom,
): Promise<boolean> {
  const { height } = primary.header
  let other: LightBlock
  try {
    const { header } = await witness.signedHeader(height)
    if (equalBytes(headerHash(header) ?? new Uint8Array(0), primary.commit.blockId.hash)) return true
    other = await verify(witness, common, height)
  } catch (error) {
    if (error instanceof XcareError && error.code !== 'INTERNAL') return false
    throw error
  }
  if (equalBytes(other.commit.blockId.hash, primary.commit.blockId.hash)) return true
  throw new ForkError({ common, primary, witness: other }, witness.name)
}
