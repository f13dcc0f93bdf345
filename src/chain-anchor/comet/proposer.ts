import { compareBytes, toHex } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import type { Validator } from './types.ts'
import { checkValidators, sortValidators, totalPower } from './validators.ts'

const WINDOW_FACTOR = 2n

/** A validator set after one turn, and the member whose turn it is. */
export interface Turn {
  validators: Validator[]
  proposer: Validator
}

/** @returns the set one turn later. Source: CometBFT ValidatorSet.IncrementProposerPriority with times = 1. */
export function nextTurn(validators: readonly Validator[]): Turn {
  const total = totalPower(validators)
  const moved = centred(rescaled(validators, total)).map((each) => ({
    ...each,
    priority: each.priority + each.power,
  }))
  const proposer = moved.reduce((best, each) => (precedes(each, best) ? each : best))
  proposer.priority -= total
  return { validators: moved, proposer }
}

/** A validator update of a block: power 0 removes. */
export type ValidatorUpdate = Pick<Validator, 'address' | 'publicKey' | 'power'>

/**
 * Applies validator updates to a set, which is empty for the first set of a chain. No turn is taken.
 * Source: CometBFT ValidatorSet.UpdateWithChangeSet.
 * @throws XcareError INTEGRITY when an address is named twice, an unknown one is removed or the result is not a valid set.
 */
export function updateValidators(
  validators: readonly Validator[],
  changes: readonly ValidatorUpdate[],
): Validator[] {
  if (changes.length === 0) return [...validators]
  const kept = new Map(validators.map((each) => [toHex(each.address), { ...each }]))
  const { added, removed } = sortOut(kept, changes)
  // New members start behind everyone, weighed before removals, so that leaving and coming back gains nothing.
  const before = totalPower([...kept.values(), ...added])
  for (const each of added) each.priority = -(before + (before >> 3n))
  for (const name of removed) kept.delete(name)
  const sorted = sortValidators([...kept.values(), ...added])
  checkValidators(sorted)
  return centred(rescaled(sorted, totalPower(sorted)))
}

function sortOut(kept: Map<string, Validator>, changes: readonly ValidatorUpdate[]) {
  const named = new Set<string>()
  const added: Validator[] = []
  const removed: string[] = []
  for (const { address, publicKey, power } of changes) {
    const name = toHex(address)
    if (named.has(name)) throw new XcareError('INTEGRITY', 'a validator is updated twice in one block')
    named.add(name)
    const known = kept.get(name)
    if (power === 0n && !known) throw new XcareError('INTEGRITY', 'an unknown validator is removed')
    if (power === 0n) removed.push(name)
    else if (known) known.power = power
    else added.push({ address, publicKey, power, priority: 0n })
  }
  return { added, removed }
}

// Keeps the distance between priorities within twice the total power.
function rescaled(validators: readonly Validator[], total: bigint): readonly Validator[] {
  let low = validators[0]!.priority
  let high = low
  for (const { priority } of validators) {
    if (priority < low) low = priority
    if (priority > high) high = priority
  }
  const window = WINDOW_FACTOR * total
  if (high - low <= window) return validators
  const ratio = (high - low + window - 1n) / window
  return validators.map((each) => ({ ...each, priority: each.priority / ratio }))
}

function centred(validators: readonly Validator[]): Validator[] {
  const count = BigInt(validators.length)
  let sum = 0n
  for (const { priority } of validators) sum += priority
  // The average is rounded down, also below zero.
  const average = (sum - (((sum % count) + count) % count)) / count
  return validators.map((each) => ({ ...each, priority: each.priority - average }))
}

function precedes(a: Validator, b: Validator): boolean {
  return a.priority > b.priority || (a.priority === b.priority && compareBytes(a.address, b.address) < 0)
}
