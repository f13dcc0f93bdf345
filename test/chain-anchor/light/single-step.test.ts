import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ONE_THIRD } from '../../../src/chain-anchor/comet/commit.ts'
import { commitFromJson, headerFromJson, validatorFromJson } from '../../../src/chain-anchor/comet/json.ts'
import { timeFromText } from '../../../src/chain-anchor/comet/time.ts'
import type { LightBlock } from '../../../src/chain-anchor/comet/types.ts'
import { sortValidators } from '../../../src/chain-anchor/comet/validators.ts'
import { type TrustedState, verifyLightBlock } from '../../../src/chain-anchor/light/verifier.ts'
import { XcareError } from '../../../src/errors.ts'
import { shared } from '../../shared-data.ts'

// biome-ignore lint/suspicious/noExplicitAny: external JSON whose shape the production readers check
type Json = any
const steps = shared('vectors/chain/light-client-single-step')
const mocha = shared('vectors/chain/mocha-4')

const validators = (json: Json) => sortValidators((json.validators ?? []).map(validatorFromJson))

function trustedState(json: Json): TrustedState {
  return {
    header: headerFromJson(json.signed_header.header),
    validators: validators(json.next_validator_set),
  }
}

function lightBlock(json: Json): LightBlock {
  const { header, commit } = json.signed_header
  return {
    header: headerFromJson(header),
    commit: commitFromJson(commit),
    validators: validators(json.validator_set),
  }
}

function verdictOf(trusted: TrustedState, input: Json, trustingPeriodMs: number): string {
  const rules = { now: timeFromText(input.now), trustingPeriodMs, driftMs: 0, trustLevel: ONE_THIRD }
  try {
    return verifyLightBlock(trusted, lightBlock(input.block), rules) ? 'SUCCESS' : 'NOT_ENOUGH_TRUST'
  } catch (error) {
    if (error instanceof XcareError) return 'INVALID'
    throw error
  }
}

describe.skipIf(steps === null)('model-based single steps (needs ../shared/vectors)', () => {
  const files = steps === null ? [] : readdirSync(steps).filter((name) => name.endsWith('.json'))

  it('has all 24 files', () => {
    expect(files.length).toBe(24)
  })

  it.each(files)('%s', (name) => {
    const suite = JSON.parse(readFileSync(`${steps}/${name}`, 'utf8'))
    let trusted = trustedState(suite.initial)
    for (const input of suite.input) {
      const verdict = verdictOf(trusted, input, Number(suite.initial.trusting_period) / 1_000_000)
      expect(verdict).toBe(input.verdict)
      if (verdict === 'SUCCESS') trusted = trustedState(input.block)
    }
  })
})

describe.skipIf(mocha === null)('mocha-4, a real network (needs ../shared/vectors)', () => {
  const rules = { trustingPeriodMs: 86_400_000, driftMs: 10_000, trustLevel: ONE_THIRD }
  const load = (height: number): LightBlock => {
    const { header, commit, validator_set } = JSON.parse(
      readFileSync(`${mocha}/${height}-signed_block.json`, 'utf8'),
    ).result
    return {
      header: headerFromJson(header),
      commit: commitFromJson(commit),
      validators: validators(validator_set),
    }
  }

  it.each([
    [10000, 10001],
    [10001, 10002],
    [10002, 10500],
    [10500, 10501],
    [10002, 10501],
  ])('%i vouches for %i', (low, high) => {
    const block = load(high)
    expect(verifyLightBlock(load(low), block, { ...rules, now: block.header.time })).toBe(true)
  })
})
