import { addMs, compareTime } from '../comet/time.ts'
import type { Commit, Timestamp, Validator } from '../comet/types.ts'
import { BLOCK_ID_FLAG } from '../comet/types.ts'

/**
 * BFT time: the time in the middle of what the validators wrote into `commit`, weighed by their power.
 * Source: CometBFT MedianTime, WeightedMedian.
 */
export function medianTime(commit: Commit, validators: readonly Validator[]): Timestamp {
  const votes = commit.signatures
    .map(({ flag, time }, at) => ({ flag, time, power: validators[at].power }))
    .filter(({ flag }) => flag !== BLOCK_ID_FLAG.absent)
    .sort((a, b) => compareTime(a.time, b.time))
  let rest = votes.reduce((sum, { power }) => sum + power, 0n) / 2n
  for (const { time, power } of votes) {
    if (rest <= power) return time
    rest -= power
  }
  return votes[votes.length - 1].time
}

/** Time of a vote: now, but always after the block it is for, so that block time only moves forward. */
export function voteTime(now: Timestamp, block: Timestamp): Timestamp {
  const earliest = addMs(block, 1)
  return compareTime(now, earliest) > 0 ? now : earliest
}
