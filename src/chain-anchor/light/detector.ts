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

/**
 * Asks a witness for the header at the height of `primary`. One that does not answer, is behind or cannot back its
 * version with signatures proves nothing.
 * @param common the verified block both versions must descend from.
 * @param verify fetches the witness's block at a height and verifies it from `common`. @throws XcareError
 * @throws ForkError when the witness has another, properly signed block.
 */
export async function compareWithWitness(
  witness: Endpoint,
  common: LightBlock,
  primary: LightBlock,
  verify: (height: number) => Promise<LightBlock>,
): Promise<void> {
  const { height } = primary.header
  const { hash } = primary.commit.blockId
  let other: LightBlock
  try {
    const { header } = await witness.signedHeader(height)
    const own = headerHash(header)
    if (own && equalBytes(own, hash)) return
    other = await verify(height)
  } catch (error) {
    if (error instanceof XcareError && error.code !== 'INTERNAL') return
    throw error
  }
  if (!equalBytes(other.commit.blockId.hash, hash))
    throw new ForkError({ common, primary, witness: other }, witness.name)
}
