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
 * The INTEGRITY error of a chain that is not the one verified here before: a copy of an earlier time was put
 * back and went on from there. It is judged anew each time, since the right chain may be put back as well.
 * Its `fork` is the evidence.
 */
export class RollbackError extends XcareError {
  readonly fork: Fork

  /**
   * @param known the block verified here.
   * @param shown a properly signed block that cannot be on the same chain.
   */
  constructor(known: LightBlock, shown: LightBlock, endpoint: string) {
    const { height } = shown.header
    const clash =
      height < known.header.height
        ? `it ends at block ${height}, and block ${known.header.height} was verified here before`
        : `its block ${height} is not the one that was verified here before`
    super('INTEGRITY', `the chain at ${endpoint} was put back to an earlier state: ${clash}`, {
      next: 'put the newest copy of the chain back; if there is none, `npx xcare light trust` says what taking this one costs',
    })
    this.fork = { common: known, primary: known, witness: shown }
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
