import { equalBytes } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import {
  type LineCheck,
  lineCheck,
  type PowerFraction,
  trustedPowerSigned,
  verifyCommitByIndex,
} from '../comet/commit.ts'
import { headerHash } from '../comet/header.ts'
import { addMs, compareTime, timeToMs } from '../comet/time.ts'
import type { Header, LightBlock, Timestamp, Validator } from '../comet/types.ts'
import { checkValidators, validatorsHash } from '../comet/validators.ts'

/** What is believed already: a verified header and the validators of its height or of the next. */
export interface TrustedState {
  header: Header
  validators: readonly Validator[]
}

/** The rules of one verification. */
export interface TrustRules {
  now: Timestamp
  /** How long a verified header may vouch for others, in ms. */
  trustingPeriodMs: number
  /** How far a header may be ahead of `now`, in ms. */
  driftMs: number
  /** Share of trusted power that must have signed a header that is not the next one; from 1/3 to 1. */
  trustLevel: PowerFraction
}

/** @throws XcareError REFUSED when `header` is too old to vouch for others. */
export function checkNotExpired(header: Header, { now, trustingPeriodMs }: TrustRules): void {
  if (compareTime(addMs(header.time, trustingPeriodMs), now) > 0) return
  const period = inWords(trustingPeriodMs)
  throw new XcareError(
    'REFUSED',
    `the last verified block (height ${header.height}) is older than the trusting period of ${period}`,
    {
      next: "check this machine's clock; if it is right, `npx xcare light trust` takes a newer block and says what to compare it with",
    },
  )
}

/**
 * Checks what a light block must satisfy by itself: chain id, one valid validator set that hashes to the header's, a
 * commit for exactly this header, and more than 2/3 of that set behind it.
 * @throws XcareError INTEGRITY
 */
export function checkLightBlock(
  chainId: string,
  block: LightBlock,
  check = lineCheck(chainId, block.commit),
): void {
  checkShape(chainId, block)
  verifyCommitByIndex(block.validators, block.commit, check)
}

/**
 * Decides whether `trusted` vouches for `block`: by the next validators hash when it is the next height, else by more
 * than the trust level of the trusted power, and always by more than 2/3 of the block's own set.
 * @returns false when too little trusted power signed: a header in between is needed.
 * @throws XcareError INTEGRITY when the block is wrong, REFUSED when `trusted` is too old, CLOCK_SKEW when the block is
 * genuine but in the future. Source: CometBFT light.Verify; docs/spec/light-client.md.
 */
export function verifyLightBlock(
  trusted: TrustedState,
  block: LightBlock,
  rules: TrustRules,
  check: LineCheck = lineCheck(trusted.header.chainId, block.commit),
): boolean {
  checkTrusted(trusted, rules)
  const { header } = block
  checkShape(trusted.header.chainId, block)
  if (header.height <= trusted.header.height)
    throw new XcareError('INTEGRITY', 'a new header is not above the trusted one')
  if (compareTime(header.time, trusted.header.time) <= 0)
    throw new XcareError('INTEGRITY', 'a new header is not later than the trusted one')
  if (header.height === trusted.header.height + 1) {
    if (!equalBytes(header.validatorsHash, trusted.header.nextValidatorsHash))
      throw new XcareError('INTEGRITY', 'the next header has other validators than the trusted one announced')
  } else if (!trustedPowerSigned(trusted.validators, block.commit, rules.trustLevel, check)) return false
  verifyCommitByIndex(block.validators, block.commit, check)
  // Last, so that only a genuine header can accuse our clock.
  checkNotAhead(header, rules)
  return true
}

function checkTrusted({ header, validators }: TrustedState, rules: TrustRules): void {
  checkNotExpired(header, rules)
  const hash = validatorsHash(validators)
  if (!equalBytes(hash, header.validatorsHash) && !equalBytes(hash, header.nextValidatorsHash))
    throw new XcareError('INTEGRITY', 'the trusted validators do not belong to the trusted header')
}

function checkShape(chainId: string, { header, commit, validators }: LightBlock): void {
  if (header.chainId !== chainId) throw new XcareError('INTEGRITY', 'a header belongs to another chain')
  if (header.height < 1) throw new XcareError('INTEGRITY', 'a header has no height')
  checkValidators(validators)
  if (!equalBytes(validatorsHash(validators), header.validatorsHash))
    throw new XcareError('INTEGRITY', 'the validators are not those of the header')
  if (commit.height !== header.height) throw new XcareError('INTEGRITY', 'a commit belongs to another height')
  if (commit.round < 0) throw new XcareError('INTEGRITY', 'a commit has a negative round')
  const hash = headerHash(header)
  if (!hash || !equalBytes(hash, commit.blockId.hash))
    throw new XcareError('INTEGRITY', 'a commit belongs to another header')
  if (commit.signatures.length !== validators.length)
    throw new XcareError('INTEGRITY', 'a commit does not have one line per validator')
}

function checkNotAhead({ time }: Header, { now, driftMs }: TrustRules): void {
  if (compareTime(time, addMs(now, driftMs)) < 0) return
  throw clockSkew(timeToMs(time) - timeToMs(now))
}

/** @param aheadMs how far the chain's time is ahead of ours, negative when behind. @returns the CLOCK_SKEW error that says so in plain words. */
export function clockSkew(aheadMs: number): XcareError {
  const side = aheadMs > 0 ? 'behind' : 'ahead of'
  return new XcareError(
    'CLOCK_SKEW',
    `this machine's clock is ${inWords(Math.abs(aheadMs))} ${side} the chain`,
    {
      next: 'set the clock (date, time and time zone) and try again',
    },
  )
}

/** @returns a duration as people say it, in its two largest units: `1 hour 2 minutes`. */
export function inWords(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  const units: [number, string][] = [
    [Math.floor(seconds / 86_400), 'day'],
    [Math.floor(seconds / 3600) % 24, 'hour'],
    [Math.floor(seconds / 60) % 60, 'minute'],
    [seconds % 60, 'second'],
  ]
  const first = units.findIndex(([count]) => count > 0)
  if (first === -1) return '0 seconds'
  return units
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}${count === 1 ? '' : 's'}`)
    .join(' ')
}
