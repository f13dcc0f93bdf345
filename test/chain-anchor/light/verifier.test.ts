import { describe, expect, it } from 'vitest'
import { ONE_THIRD } from '../../../src/chain-anchor/comet/commit.ts'
import { timeFromMs } from '../../../src/chain-anchor/comet/time.ts'
import { BLOCK_ID_FLAG, type LightBlock } from '../../../src/chain-anchor/comet/types.ts'
import { clockSkew, inWords, verifyLightBlock } from '../../../src/chain-anchor/light/verifier.ts'
import { FakeChain, members, START_MS, STEP_MS, sign, validatorsOf } from './fake-chain.ts'

const DAY_MS = 86_400_000
const rules = (nowMs: number) => ({
  now: timeFromMs(nowMs),
  trustingPeriodMs: DAY_MS,
  driftMs: 10_000,
  trustLevel: ONE_THIRD,
})
const NOW = rules(START_MS + 60_000)
const integrity = expect.objectContaining({ code: 'INTEGRITY' })
const MEMBERS = members(4)

/** A light block that a test may spoil without touching the chain. */
function copy(block: LightBlock): LightBlock {
  return structuredClone(block)
}

describe.each([1, 4, 20])('honest chains of %i validators', (count) => {
  const chain = new FakeChain(members(count)).grow(5)

  it('verifies the next height and skips', () => {
    expect(verifyLightBlock(chain.at(1), chain.at(2), NOW)).toBe(true)
    expect(verifyLightBlock(chain.at(1), chain.at(5), NOW)).toBe(true)
  })

  it('needs more than two thirds of the power', () => {
    const { header } = chain.at(2)
    const set = members(count)
    const total = set.reduce((sum, { power }) => sum + power, 0n)
    for (let signers = 0; signers <= count; signers++) {
      const commit = sign(header, set, (index) => index < signers)
      const power = validatorsOf(set)
        .slice(0, signers)
        .reduce((sum, each) => sum + each.power, 0n)
      const block = { header, commit, validators: validatorsOf(set) }
      const verify = () => verifyLightBlock(chain.at(1), block, NOW)
      if (3n * power > 2n * total) expect(verify()).toBe(true)
      else expect(verify).toThrow(integrity)
    }
  })
})

describe('attacks', () => {
  const chain = new FakeChain(MEMBERS).grow(5)
  const spoilt = (spoil: (block: LightBlock) => void, height = 5) => {
    const block = copy(chain.at(height))
    spoil(block)
    return () => verifyLightBlock(chain.at(1), block, NOW)
  }

  it('exactly two thirds are not enough', () => {
    const equal = members(3).map((member) => ({ ...member, power: 1n }))
    const even = new FakeChain(equal).grow(2)
    const { header } = even.at(2)
    const commit = sign(header, equal, (index) => index < 2)
    expect(() => verifyLightBlock(even.at(1), { ...even.at(2), commit }, NOW)).toThrow(integrity)
  })

  it('one validator counted twice, under its own address', () => {
    const twice = spoilt(({ commit }) => {
      commit.signatures[1] = commit.signatures[0]!
    })
    expect(twice).toThrow(integrity)
  })

  it('one signature standing for another index (swapped addresses)', () => {
    const swapped = spoilt(({ commit }) => {
      const [first, second] = commit.signatures
      commit.signatures.splice(0, 2, second!, first!)
    })
    expect(swapped).toThrow(integrity)
    const renamed = spoilt(({ commit }) => {
      commit.signatures[3]!.address = commit.signatures[2]!.address
    }, 2)
    expect(renamed).toThrow(integrity)
  })

  it('lines missing, lines too many, lines of unknown shape', () => {
    const cases: ((block: LightBlock) => void)[] = [
      ({ commit }) => commit.signatures.pop(),
      ({ commit }) => commit.signatures.push(commit.signatures[0]!),
      ({ commit }) => {
        commit.signatures[0]!.signature = new Uint8Array(63)
      },
      ({ commit }) => {
        commit.signatures[0]!.flag = BLOCK_ID_FLAG.absent
      },
    ]
    for (const spoil of cases) for (const height of [2, 5]) expect(spoilt(spoil, height)).toThrow(integrity)
  })

  it('any header field changed after signing', () => {
    const changes: ((block: LightBlock) => void)[] = [
      ({ header }) => {
        header.appHash = new Uint8Array(32).fill(7)
      },
      ({ header }) => {
        header.time = timeFromMs(START_MS + 1)
      },
      ({ header }) => {
        header.chainId = 'fake-2'
      },
      ({ header }) => {
        header.height = 4
      },
      ({ header }) => {
        header.nextValidatorsHash = header.dataHash
      },
      ({ commit }) => {
        commit.height = 4
      },
      ({ commit }) => {
        commit.round = -1
      },
      ({ commit }) => {
        commit.blockId.parts.total++
      },
      ({ commit }) => {
        for (const line of commit.signatures) line.time.nanos++
      },
      ({ validators }) => {
        validators[0]!.power += 1000n
      },
      ({ validators }) => {
        validators.reverse()
      },
      ({ validators }) => validators.splice(0, 4),
    ]
    for (const change of changes) expect(spoilt(change), `${change}`).toThrow(integrity)
  })

  it('a whole chain signed by somebody else', () => {
    const forged = new FakeChain(members(4, 100)).grow(5)
    expect(() => verifyLightBlock(chain.at(1), forged.at(2), NOW)).toThrow(integrity)
    expect(verifyLightBlock(chain.at(1), forged.at(5), NOW)).toBe(false)
  })

  it('trusted validators that do not belong to the trusted header', () => {
    const state = { header: chain.at(1).header, validators: validatorsOf(members(4, 100)) }
    expect(() => verifyLightBlock(state, chain.at(5), NOW)).toThrow(integrity)
  })

  it('not enough trusted power: churn above two thirds calls for a header in between', () => {
    const moving = new FakeChain((height) => members(4, height)).grow(8)
    expect(verifyLightBlock(moving.at(1), moving.at(2), NOW)).toBe(true)
    expect(verifyLightBlock(moving.at(1), moving.at(3), NOW)).toBe(true)
    expect(verifyLightBlock(moving.at(1), moving.at(5), NOW)).toBe(false)
    expect(verifyLightBlock(moving.at(1), moving.at(8), NOW)).toBe(false)
  })

  it('a validator under trust that signs twice while skipping', () => {
    const twice = copy(chain.at(5))
    twice.commit.signatures[3] = twice.commit.signatures[0]!
    expect(() => verifyLightBlock(chain.at(1), twice, NOW)).toThrow(integrity)
  })

  it('heights and times that do not move on', () => {
    expect(() => verifyLightBlock(chain.at(3), chain.at(2), NOW)).toThrow(integrity)
    expect(() => verifyLightBlock(chain.at(3), chain.at(3), NOW)).toThrow(integrity)
    const stuck = new FakeChain(MEMBERS).grow(1)
    stuck.add([], { time: stuck.at(1).header.time })
    expect(() => verifyLightBlock(stuck.at(1), stuck.at(2), NOW)).toThrow(integrity)
  })
})

describe('time', () => {
  const chain = new FakeChain(MEMBERS).grow(5)

  it('a trusted header vouches until its period ends, not at its end', () => {
    expect(verifyLightBlock(chain.at(1), chain.at(5), rules(START_MS + DAY_MS - 1))).toBe(true)
    const refused = expect.objectContaining({ code: 'REFUSED', message: expect.stringContaining('1 day') })
    expect(() => verifyLightBlock(chain.at(1), chain.at(5), rules(START_MS + DAY_MS))).toThrow(refused)
  })

  it('a header may be ahead by less than the drift', () => {
    const blockMs = START_MS + 4 * STEP_MS
    expect(verifyLightBlock(chain.at(1), chain.at(5), rules(blockMs - 9_999))).toBe(true)
    const skew = expect.objectContaining({
      code: 'CLOCK_SKEW',
      message: expect.stringContaining('10 seconds behind'),
    })
    expect(() => verifyLightBlock(chain.at(1), chain.at(5), rules(blockMs - 10_000))).toThrow(skew)
  })

  it('a forged header in the future accuses nobody', () => {
    const forged = copy(chain.at(5))
    forged.header.time = timeFromMs(START_MS + 10 * DAY_MS)
    expect(() => verifyLightBlock(chain.at(1), forged, NOW)).toThrow(integrity)
  })

  it('says durations in words', () => {
    expect(clockSkew(3_720_000).message).toContain('1 hour 2 minutes behind')
    expect(clockSkew(-3_600_000).message).toContain('1 hour ahead of')
    expect(inWords(0)).toBe('0 seconds')
    expect(inWords(14 * DAY_MS)).toBe('14 days')
  })
})
