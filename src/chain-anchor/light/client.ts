import { assert } from '../../assert.ts'
import { equalBytes } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import {
  BISECTION_STEPS_MAX,
  BLOCK_INTERVAL_MS_MAX,
  CLOCK_SKEW_MS_MAX,
  HEADER_DRIFT_MS,
  HEADER_STALE_MS,
  TRUSTING_PERIOD_MS,
} from '../../limits.ts'
import type { Clock, Folder } from '../../ports.ts'
import { type LineCheck, lineCheck, ONE_THIRD, type PowerFraction } from '../comet/commit.ts'
import { headerHash } from '../comet/header.ts'
import { timeFromMs, timeToMs } from '../comet/time.ts'
import type { LightBlock, Validator } from '../comet/types.ts'
import { compareWithWitness, ForkError } from './detector.ts'
import type { Endpoint } from './endpoint.ts'
import { LightStore } from './store.ts'
import {
  checkLightBlock,
  checkNotExpired,
  clockSkew,
  inWords,
  type TrustRules,
  verifyLightBlock,
} from './verifier.ts'

const PERSIST_EVERY_MS = 60_000
/** A witness that takes longer is heard later: a fork it proves still stops the client, but nobody waits for it. */
const WITNESS_PATIENCE_MS = 1000
// Upstream's pivot between a trusted header and one too far away: 9/16 of the distance.
const PIVOT_NUMERATOR = 9
const PIVOT_DENOMINATOR = 16

/** A block taken on trust, from an institution, an app bundle or a QR code. */
export interface TrustRoot {
  height: number
  /** 32-byte header hash. */
  hash: Uint8Array
}

/** What a light client needs. */
export interface LightClientOptions {
  trust: TrustRoot
  /** Chain id to insist on; default: whatever the trusted header says. */
  chainId?: string
  /** In order of preference: the first that answers is asked, the others are its witnesses. At least one. */
  endpoints: Endpoint[]
  store: Folder
  clock: Clock
  /** Default TRUSTING_PERIOD_MS. */
  trustingPeriodMs?: number
  /** Default 1/3. */
  trustLevel?: PowerFraction
}

interface Candidate {
  block: LightBlock
  check: LineCheck
}

/**
 * Follows a chain from a trust root by verified headers alone. Skips ahead where the trusted validators still sign,
 * bisects where they do not, compares with witnesses and keeps the newest light block and one header a day.
 * Spec: docs/spec/light-client.md.
 */
export class LightClient {
  readonly #options: LightClientOptions
  readonly #store: LightStore
  #newest: LightBlock | null
  #persistedMs = Number.NEGATIVE_INFINITY
  #syncing: Promise<LightBlock> | null = null
  #fork: ForkError | null = null
  /** Witnesses that have not answered their last question. */
  readonly #asking = new Set<Endpoint>()

  private constructor(options: LightClientOptions, store: LightStore, newest: LightBlock | null) {
    this.#options = { ...options, endpoints: [...options.endpoints] }
    this.#store = store
    this.#newest = newest
  }

  /** Opens what is kept in the folder; does not touch the network. Kept blocks that do not verify are not used. */
  static async open(options: LightClientOptions): Promise<LightClient> {
    assert(options.endpoints.length > 0, 'a light client has an endpoint')
    const store = new LightStore(options.store, options.trust.hash)
    const kept = await store.load()
    return new LightClient(
      options,
      store,
      kept && isSound(options.chainId ?? kept.header.chainId, kept) ? kept : null,
    )
  }

  /** Newest verified light block, or null before the first sync. */
  get newest(): LightBlock | null {
    return this.#newest
  }

  /** Endpoints, the one that answered last first. */
  get endpoints(): readonly Endpoint[] {
    return this.#options.endpoints
  }

  /** Lets `endpoint` be asked last from now on. */
  demote(endpoint: Endpoint): void {
    const { endpoints } = this.#options
    const at = endpoints.indexOf(endpoint)
    if (at >= 0) endpoints.push(...endpoints.splice(at, 1))
  }

  /**
   * Verifies the newest header that an endpoint offers. Calls that overlap share one sync, but
   * none takes a block that is not above `below` from a sync that was under way before the call.
   * @throws XcareError OFFLINE or TIMEOUT when no endpoint answers, INTEGRITY when all that answer are wrong or the
   * chain forked, CLOCK_SKEW when the newest header is in our future, REFUSED when what is trusted is too old.
   */
  async sync(below = 0): Promise<LightBlock> {
    const wasUnderWay = this.#syncing !== null
    const block = await this.#sharedSync()
    return wasUnderWay && block.header.height <= below ? this.#sharedSync() : block
  }

  #sharedSync(): Promise<LightBlock> {
    this.#syncing ??= this.#sync().finally(() => {
      this.#syncing = null
    })
    return this.#syncing
  }

  /** Verified headers of past days, at most one a day, oldest first. */
  dailyHeaders() {
    return this.#store.dailyHeaders()
  }

  /**
   * Finds out why the newest header is old although endpoints answer: our clock, or a chain that stands still.
   * Waits one block interval.
   * @returns the CLOCK_SKEW or OFFLINE error that says which.
   */
  async explainAge(): Promise<XcareError> {
    const before = await this.sync()
    const beforeMs = this.#nowMs()
    await this.#options.clock.sleep(BLOCK_INTERVAL_MS_MAX + 1000)
    const after = await this.sync()
    const waitedMs = this.#nowMs() - beforeMs
    const grownMs = timeToMs(after.header.time) - timeToMs(before.header.time)
    const lagMs = this.#nowMs() - timeToMs(after.header.time)
    // A chain that is alive keeps pace with us; one that catches up runs faster.
    if (lagMs > CLOCK_SKEW_MS_MAX && grownMs > 0 && grownMs <= waitedMs + HEADER_DRIFT_MS)
      return clockSkew(-lagMs)
    return new XcareError('OFFLINE', `the newest block of the chain is ${inWords(lagMs)} old`, {
      next: 'wait until the institutions that run the chain are back, then try again',
    })
  }

  async #sync(): Promise<LightBlock> {
    if (this.#fork) throw this.#fork
    const failures: XcareError[] = []
    let best: LightBlock | null = null
    for (const endpoint of [...this.#options.endpoints]) {
      try {
        const others = this.#options.endpoints.filter((other) => other !== endpoint)
        best = await this.#syncWith(endpoint, others)
        await this.#remember(best)
        // One that has genuine blocks, but only old ones, may be kept behind.
        if (others.length === 0 || this.#nowMs() - timeToMs(best.header.time) <= HEADER_STALE_MS) return best
      } catch (error) {
        failures.push(await this.#judge(error))
      }
      this.demote(endpoint)
    }
    if (best) return best
    // A wrong answer weighs more than none.
    throw failures.find(({ code }) => code === 'INTEGRITY') ?? failures[0]!
  }

  /** @returns an error after which another endpoint may do better. @throws every other error */
  async #judge(error: unknown): Promise<XcareError> {
    if (error instanceof ForkError) await this.#stop(error)
    if (!(error instanceof XcareError) || error instanceof ForkError || error.code === 'CLOCK_SKEW')
      throw error
    // Whoever cannot show a block that must be there is of no use now.
    return error.code === 'NOT_FOUND' ? new XcareError('OFFLINE', error.message, { cause: error }) : error
  }

  /** Believes nothing any more, and keeps the evidence. */
  async #stop(error: ForkError): Promise<void> {
    if (this.#fork) return
    this.#fork = error
    await this.#store.saveFork(error.fork)
  }

  async #syncWith(endpoint: Endpoint, witnesses: readonly Endpoint[]): Promise<LightBlock> {
    const trusted = this.#newest ?? (await this.#first(endpoint))
    checkNotExpired(trusted.header, this.#rules())
    const target = await this.#fetch(endpoint, null, [trusted])
    if (target.header.height < trusted.header.height)
      throw new XcareError(
        'OFFLINE',
        `${endpoint.name} is behind: it knows no block above ${target.header.height}`,
      )
    const verified = await this.#verify(endpoint, trusted, target)
    if (verified !== trusted) await this.#confirm(witnesses, trusted, verified)
    return verified
  }

  async #confirm(witnesses: readonly Endpoint[], common: LightBlock, verified: LightBlock): Promise<void> {
    const { clock } = this.#options
    const free = witnesses.filter((witness) => !this.#asking.has(witness))
    if (free.length === 0) return
    const patience = new AbortController()
    const heard = Promise.all(free.map((witness) => this.#ask(witness, common, verified))).then(
      () => null,
      (error: unknown) => error,
    )
    const late = clock.sleep(WITNESS_PATIENCE_MS, patience.signal).then(
      () => null,
      () => null,
    )
    const error = await Promise.race([heard, late])
    patience.abort()
    if (error !== null) throw error
    heard.then((found) => (found instanceof ForkError ? this.#stop(found) : undefined)).catch(() => {})
  }

  async #ask(witness: Endpoint, common: LightBlock, verified: LightBlock): Promise<void> {
    this.#asking.add(witness)
    try {
      await compareWithWitness(witness, common, verified, async (height) =>
        this.#verify(witness, common, await this.#fetch(witness, height, [common])),
      )
    } finally {
      this.#asking.delete(witness)
    }
  }

  async #first(endpoint: Endpoint): Promise<LightBlock> {
    const { height, hash } = this.#options.trust
    const block = await this.#fetch(endpoint, height, [])
    if (block.header.height !== height || !equalBytes(block.commit.blockId.hash, hash))
      throw new XcareError(
        'INTEGRITY',
        `${endpoint.name} shows another block at the trusted height ${height}`,
      )
    checkLightBlock(this.#options.chainId ?? block.header.chainId, block)
    return block
  }

  async #verify(endpoint: Endpoint, from: LightBlock, target: LightBlock): Promise<LightBlock> {
    if (target.header.height === from.header.height) return sameBlock(endpoint, from, target)
    let trusted = from
    const pending: Candidate[] = [candidate(target)]
    for (let steps = 0; pending.length > 0; steps++) {
      const { block, check } = pending.at(-1)!
      if (verifyLightBlock(trusted, block, this.#rules(), check)) {
        trusted = block
        pending.pop()
        continue
      }
      if (steps === BISECTION_STEPS_MAX)
        throw new XcareError('INTEGRITY', `${endpoint.name} offers no way to its newest block`)
      const middle = await this.#fetch(endpoint, pivot(trusted, block), [trusted, block])
      pending.push(candidate(middle))
    }
    return trusted
  }

  /** Fetches one light block; validators are asked for only when none of `known` has the same ones. */
  async #fetch(endpoint: Endpoint, height: number | null, known: readonly LightBlock[]): Promise<LightBlock> {
    const { header, commit } = await endpoint.signedHeader(height)
    if (height !== null && header.height !== height)
      throw new XcareError(
        'INTEGRITY',
        `${endpoint.name} gave height ${header.height} when asked for ${height}`,
      )
    const same = known.find((block) => equalBytes(block.header.validatorsHash, header.validatorsHash))
    const validators: Validator[] = same ? same.validators : await endpoint.validators(header.height)
    return { header, commit, validators }
  }

  async #remember(block: LightBlock): Promise<void> {
    this.#newest = block
    const timeMs = timeToMs(block.header.time)
    if (timeMs - this.#persistedMs < PERSIST_EVERY_MS) return
    await this.#store.save(block)
    this.#persistedMs = timeMs
  }

  #rules(): TrustRules {
    return {
      now: timeFromMs(this.#nowMs()),
      trustingPeriodMs: this.#options.trustingPeriodMs ?? TRUSTING_PERIOD_MS,
      driftMs: HEADER_DRIFT_MS,
      trustLevel: this.#options.trustLevel ?? ONE_THIRD,
    }
  }

  #nowMs(): number {
    return this.#options.clock.nowMs()
  }
}

/** @returns `from`, when `target` is the same block. @throws ForkError when the same validators signed another one. */
function sameBlock(endpoint: Endpoint, from: LightBlock, target: LightBlock): LightBlock {
  const hash = headerHash(target.header)
  if (hash && equalBytes(hash, from.commit.blockId.hash)) return from
  checkLightBlock(from.header.chainId, target)
  if (equalBytes(target.header.validatorsHash, from.header.validatorsHash))
    throw new ForkError({ common: from, primary: from, witness: target }, endpoint.name)
  throw new XcareError('INTEGRITY', `${endpoint.name} shows another block at height ${from.header.height}`)
}

function candidate(block: LightBlock): Candidate {
  return { block, check: lineCheck(block.header.chainId, block.commit) }
}

function pivot(low: LightBlock, high: LightBlock): number {
  const distance = high.header.height - low.header.height
  return low.header.height + Math.max(1, Math.floor((distance * PIVOT_NUMERATOR) / PIVOT_DENOMINATOR))
}

function isSound(chainId: string, block: LightBlock): boolean {
  try {
    checkLightBlock(chainId, block)
    return true
  } catch (error) {
    if (error instanceof XcareError) return false
    throw error
  }
}
