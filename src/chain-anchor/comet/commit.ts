import { equalBytes, toHex } from '../../bytes.ts'
import { merkleRoot } from '../../crypto/merkle.ts'
import { verifyZip215 } from '../../crypto/sign.ts'
import { XcareError } from '../../errors.ts'
import { encodeCommitSig } from './encode.ts'
import { BLOCK_ID_FLAG, type Commit, type CommitSig, type Validator } from './types.ts'
import { totalPower } from './validators.ts'
import { commitSignBytes } from './vote.ts'

/** A share of voting power that must be exceeded. */
export interface PowerFraction {
  numerator: bigint
  denominator: bigint
}

/** More than two thirds: what makes a block final. */
const TWO_THIRDS: PowerFraction = { numerator: 2n, denominator: 3n }
/** More than one third: at least one honest validator. Default trust level of skipping verification. */
export const ONE_THIRD: PowerFraction = { numerator: 1n, denominator: 3n }

/** Checks the signature of one line of a commit under a key. One value remembers what it has verified already. */
export type LineCheck = (index: number, publicKey: Uint8Array) => boolean

/** @returns LastCommitHash: RFC 6962 root over the lines of `commit`. */
export function commitHash(commit: Commit): Uint8Array {
  return merkleRoot(commit.signatures.map(encodeCommitSig))
}

/** @returns a check of the lines of `commit` by the ZIP-215 rule that verifies each line and key at most once. */
export function lineCheck(chainId: string, commit: Commit): LineCheck {
  const known = new Map<number, { publicKey: Uint8Array; valid: boolean }>()
  return (index, publicKey) => {
    const before = known.get(index)
    if (before && equalBytes(before.publicKey, publicKey)) return before.valid
    const valid = verifyZip215(
      publicKey,
      commitSignBytes(chainId, commit, index),
      commit.signatures[index]!.signature,
    )
    known.set(index, { publicKey, valid })
    return valid
  }
}

/** @returns whether `power` is strictly above `fraction` of `total`, with upstream's integer division. */
function exceeds(power: bigint, total: bigint, fraction: PowerFraction): boolean {
  return power > (total * fraction.numerator) / fraction.denominator
}

/**
 * Checks that more than 2/3 of the set that made this block signed it: one line per validator, by index, with the
 * address of that validator. Stops once enough power is counted.
 * @throws XcareError INTEGRITY
 */
export function verifyCommitByIndex(
  validators: readonly Validator[],
  commit: Commit,
  check: LineCheck,
): void {
  if (commit.signatures.length !== validators.length)
    throw new XcareError('INTEGRITY', 'a commit does not have one line per validator')
  const total = totalPower(validators)
  let power = 0n
  for (const [index, line] of commit.signatures.entries()) {
    checkLine(line)
    const validator = validators[index]!
    // An address that belongs to another index would let one signature stand for two validators (CSA-2026-001).
    if (line.flag !== BLOCK_ID_FLAG.absent && !equalBytes(line.address, validator.address))
      throw new XcareError('INTEGRITY', `line ${index} of a commit names another validator`)
    if (line.flag !== BLOCK_ID_FLAG.commit || exceeds(power, total, TWO_THIRDS)) continue
    if (!check(index, validator.publicKey))
      throw new XcareError('INTEGRITY', `signature ${index} of a commit is wrong`)
    power += validator.power
  }
  if (!exceeds(power, total, TWO_THIRDS))
    throw new XcareError(
      'INTEGRITY',
      `a block was signed by ${power} of ${total} voting power, more than two thirds are needed`,
    )
}

/**
 * Tells whether more than `fraction` of an earlier, trusted set signed: lines are matched by address.
 * @returns false when too little trusted power signed, which calls for a header in between.
 * @throws XcareError INTEGRITY when a trusted validator appears twice or its signature is wrong.
 */
export function trustedPowerSigned(
  trusted: readonly Validator[],
  commit: Commit,
  fraction: PowerFraction,
  check: LineCheck,
): boolean {
  const byAddress = new Map(trusted.map((validator) => [toHex(validator.address), validator]))
  const counted = new Set<string>()
  const total = totalPower(trusted)
  let power = 0n
  for (const [index, line] of commit.signatures.entries()) {
    if (line.flag !== BLOCK_ID_FLAG.commit) continue
    const address = toHex(line.address)
    const validator = byAddress.get(address)
    if (!validator) continue
    if (counted.has(address)) throw new XcareError('INTEGRITY', 'a validator signed a commit twice')
    counted.add(address)
    if (exceeds(power, total, fraction)) continue
    if (!check(index, validator.publicKey))
      throw new XcareError('INTEGRITY', `signature ${index} of a commit is wrong`)
    power += validator.power
  }
  return exceeds(power, total, fraction)
}

function checkLine(line: CommitSig): void {
  const absent = line.flag === BLOCK_ID_FLAG.absent
  if (absent && (line.address.length !== 0 || line.signature.length !== 0))
    throw new XcareError('INTEGRITY', 'an absent line of a commit carries a signature')
  if (!absent && (line.address.length !== 20 || line.signature.length !== 64))
    throw new XcareError('INTEGRITY', 'a line of a commit has a wrong length')
}
