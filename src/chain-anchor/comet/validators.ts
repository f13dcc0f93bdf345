import { compareBytes, equalBytes, toHex } from '../../bytes.ts'
import { sha256 } from '../../crypto/hash.ts'
import { merkleRoot } from '../../crypto/merkle.ts'
import { XcareError } from '../../errors.ts'
import { VALIDATORS_MAX } from '../../limits.ts'
import { ProtoWriter } from '../codec/writer.ts'
import { encodePublicKey } from './encode.ts'
import type { Validator } from './types.ts'

const ADDRESS_BYTES = 20
const KEY_BYTES = 32
/** Total voting power of a set, at most. Source: CometBFT MaxTotalVotingPower. */
export const TOTAL_POWER_MAX = (2n ** 63n - 1n) / 8n

/** @returns the 20-byte address of an Ed25519 key. */
export function validatorAddress(publicKey: Uint8Array): Uint8Array {
  return sha256(publicKey).slice(0, ADDRESS_BYTES)
}

/** @returns the validators in the order of ValidatorsHash: power descending, then address ascending. */
export function sortValidators(validators: readonly Validator[]): Validator[] {
  return [...validators].sort(
    (a, b) => Number(b.power > a.power) - Number(b.power < a.power) || compareBytes(a.address, b.address),
  )
}

/** @returns the RFC 6962 root over the validators in the given order, which must be the sorted one. Source: CometBFT ValidatorSet.Hash. */
export function validatorsHash(validators: readonly Validator[]): Uint8Array {
  return merkleRoot(
    validators.map(({ publicKey, power }) =>
      new ProtoWriter().message(1, encodePublicKey(publicKey)).int(2, power).finish(),
    ),
  )
}

/** @returns the sum of all voting power. */
export function totalPower(validators: readonly Validator[]): bigint {
  let total = 0n
  for (const { power } of validators) total += power
  return total
}

/**
 * Checks that `validators` is a usable set: not empty, at most VALIDATORS_MAX, sorted, no address twice, every address
 * the hash of its key, every power at least 1 and the total within TOTAL_POWER_MAX.
 * @throws XcareError INTEGRITY
 */
export function checkValidators(validators: readonly Validator[]): void {
  if (validators.length === 0) throw new XcareError('INTEGRITY', 'the validator set is empty')
  if (validators.length > VALIDATORS_MAX) throw new XcareError('INTEGRITY', 'the validator set is too large')
  const seen = new Set<string>()
  let previous: Validator | null = null
  for (const validator of validators) {
    checkValidator(validator)
    if (previous && !inOrder(previous, validator))
      throw new XcareError('INTEGRITY', 'the validator set is not sorted')
    const address = toHex(validator.address)
    if (seen.has(address)) throw new XcareError('INTEGRITY', 'a validator is in the set twice')
    seen.add(address)
    previous = validator
  }
  if (totalPower(validators) > TOTAL_POWER_MAX)
    throw new XcareError('INTEGRITY', 'the voting power is too large')
}

function checkValidator({ address, publicKey, power }: Validator): void {
  if (publicKey.length !== KEY_BYTES || !equalBytes(validatorAddress(publicKey), address))
    throw new XcareError('INTEGRITY', "a validator's address is not the hash of its key")
  if (power < 1n) throw new XcareError('INTEGRITY', 'a validator has no voting power')
}

function inOrder(a: Validator, b: Validator): boolean {
  return a.power > b.power || (a.power === b.power && compareBytes(a.address, b.address) <= 0)
}
