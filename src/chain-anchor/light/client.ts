import { assert } from '../../assert.ts'
import { equalBytes } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import {
  BISECTION_STEPS_MAX,
  BLOCK_INTERVAL_MS_MAX,
  CLOCK_SKEW_MS_MAX,
  FIXED_SET_TRUST_MS,
  HEADER_DRIFT_MS,
  HEADER_STALE_MS,
  TRUSTING_PERIOD_MS,
} from '../../limits.ts'
import type { Clock, Folder } from '../../ports.ts'
import { type LineCheck, lineCheck, ONE_THIRD, type PowerFraction } from '../comet/commit.ts'
import { headerHash } from '../comet/header.ts'
import { compareTime, timeFromMs, timeToMs } from '../comet/time.ts'
import type { Header, LightBlock, Validator } from '../comet/types.ts'
import { compareWithWitness, ForkError, RollbackError } from './detector.ts'
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

/** What is verified is durable at once when a process begins, and from then on this often. */
const KEEP_EVERY_MS = 1000
/** A chain cannot be ended, put back and started again between two questions this close together. */
const LINEAGE_HELD_MS = 1000
/** A witness that takes longer is heard later: a fork it proves still stops the client, but nobody waits for it. */
const WITNESS_PATIENCE_MS = 1000
// Upstream's pivot between a trusted header and one too far away: 9/16 of the distance.
const PIVOT_NUMERATOR = 9
const PIVOT_DENOMINATOR = 16
const NO_HASH = new Uint8Array(0)

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
  /**
   * The endpoints as they are known now: asked for when none answers, since a chain may have moved to another
   * address.
   */
  renew?: () => Promise<Endpoint[]>
  store: Folder
  clock: Clock
  /** Default TRUSTING_PERIOD_MS. */
  trustingPeriodMs?: number
  /** Default 1/3. */
  trustLevel?: PowerFraction
  /**
   * Newest version of an application whose rules, of this and all earlier versions, never change the
   * validators: a header of them vouches for FIXED_SET_TRUST_MS for headers of the very same set. Without it
   * the trusting period is all there is.
   */
  fixedSetVersion?: number
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
  /** Height that is durable, and when it became so. */
  #kept = { height: 0, ms: Number.NEGATIVE_INFINITY }
  #keeping: Promise<void> | null = null
  /** When the endpoint asked last still had the chain verified here, with nothing amiss since. */
  #heldMs = Number.NEGATIVE_INFINITY
  #syncing: Promise<LightBlock> | null = null
  #fork: ForkError | null = null
  /** Height of the last evidence that was saved, which is not written again for every question. */
  #evidence = 0
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
    const store = new LightStore(options.store, options.chainId ?? null, options.trust.hash)
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
        this.#heldMs = Number.NEGATIVE_INFINITY
        failures.push(await this.#judge(error))
      }
      this.demote(endpoint)
    }
    if (best) return best
    const isAway = failures.every(({ code }) => code === 'OFFLINE' || code === 'TIMEOUT')
    if (isAway && (await this.#findMore())) return this.#sync()
    // A wrong answer weighs more than none.
    throw failures.find(({ code }) => code === 'INTEGRITY') ?? failures[0]!
  }

  /** @returns whether there are endpoints that were not known before; they are asked first. */
  async #findMore(): Promise<boolean> {
    const { endpoints, renew } = this.#options
    const found = (await renew?.().catch(() => [])) ?? []
    const fresh = found.filter(({ name }) => !endpoints.some((known) => known.name === name))
    endpoints.unshift(...fresh)
    return fresh.length > 0
  }

  /** @returns an error after which another endpoint may do better. @throws every other error */
  async #judge(error: unknown): Promise<XcareError> {
    if (error instanceof ForkError) await this.#stop(error)
    if (error instanceof RollbackError && this.#evidence !== error.fork.primary.header.height) {
      await this.#store.saveFork(error.fork)
      this.#evidence = error.fork.primary.header.height
    }
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
    if (!this.#isFixedSet(trusted.header)) checkNotExpired(trusted.header, this.#rules())
    const [target] = await Promise.all([
      this.#fetch(endpoint, null, [trusted]),
      this.#checkLineage(endpoint, trusted),
    ])
    if (target.header.height < trusted.header.height) throw this.#behind(endpoint, trusted, target)
    const verified = await this.#verify(endpoint, trusted, target)
    if (!isLinked(trusted, verified)) await this.#checkLineage(endpoint, trusted, true)
    this.#heldMs = this.#nowMs()
    if (verified !== trusted) await this.#confirm(witnesses, trusted, verified)
    return verified
  }

  /**
   * @throws RollbackError when the endpoint shows another block where one was verified here; not asked again
   * within LINEAGE_HELD_MS.
   */
  async #checkLineage(endpoint: Endpoint, known: LightBlock, isDoubted = false): Promise<void> {
    if (this.#newest === null) return
    if (!isDoubted && Math.abs(this.#nowMs() - this.#heldMs) < LINEAGE_HELD_MS) return
    const shown = await this.#fetch(endpoint, known.header.height, [known]).catch((error: unknown) => {
      // One that is behind is told by its newest block; one that threw old blocks away can show none.
      if (error instanceof XcareError && error.code === 'NOT_FOUND') return null
      throw error
    })
    if (shown && equalBytes(shown.commit.blockId.hash, known.commit.blockId.hash)) return
    if (shown) {
      checkLightBlock(known.header.chainId, shown)
      throw new RollbackError(known, shown, endpoint.name)
    }
    if (isDoubted) throw new XcareError('INTEGRITY', `${endpoint.name} shows a block that does not follow`)
  }

  /**
   * @returns why an endpoint knows no newer block: it is behind, or its chain was put back and went on, so
   * that a lower block is a later one.
   */
  #behind(endpoint: Endpoint, known: LightBlock, shown: LightBlock): XcareError {
    const isLater = compareTime(shown.header.time, known.header.time) >= 0
    if (isLater && isSound(known.header.chainId, shown)) return new RollbackError(known, shown, endpoint.name)
    return new XcareError(
      'OFFLINE',
      `${endpoint.name} is behind: it knows no block above ${shown.header.height}, and block ${known.header.height} was verified here before`,
      { next: 'try again in a minute; if it stays so, the chain was put back to an earlier state' },
    )
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
    await this.#checkLog(endpoint)
    return block
  }

  /**
   * Where the newest block is lost, the newest day of the log still tells another chain.
   * @throws XcareError INTEGRITY, OFFLINE
   */
  async #checkLog(endpoint: Endpoint): Promise<void> {
    const known = (await this.#store.dailyHeaders()).at(-1)
    if (!known) return
    const { header } = await endpoint.signedHeader(known.height)
    if (equalBytes(headerHash(header) ?? NO_HASH, headerHash(known) ?? NO_HASH)) return
    throw new XcareError(
      'INTEGRITY',
      `${endpoint.name} shows another block ${known.height} than the one that was verified here before`,
      { next: 'put the newest copy of the chain back, or read what `npx xcare light trust` says' },
    )
  }

  async #verify(endpoint: Endpoint, from: LightBlock, target: LightBlock): Promise<LightBlock> {
    if (target.header.height === from.header.height) return sameBlock(endpoint, from, target)
    let trusted = from
    const pending: Candidate[] = [candidate(target)]
    for (let steps = 0; pending.length > 0; steps++) {
      const { block, check } = pending.at(-1)!
      if (verifyLightBlock(trusted, block, this.#rules(trusted, block), check)) {
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
    const isFirst = this.#kept.height === 0
    if (isFirst) await this.keep()
    else if (Math.abs(this.#nowMs() - this.#kept.ms) >= KEEP_EVERY_MS) void this.keep()
  }

  /** Makes the newest verified block durable. A disk that refuses it is told by whoever needs the disk. */
  keep(): Promise<void> {
    this.#keeping ??= this.#keep().finally(() => {
      this.#keeping = null
    })
    return this.#keeping
  }

  async #keep(): Promise<void> {
    for (let block = this.#newest; block && block.header.height > this.#kept.height; block = this.#newest) {
      const { height } = block.header
      await this.#store.save(block).catch((error: unknown) => {
        if (!(error instanceof XcareError)) throw error
      })
      this.#kept = { height, ms: this.#nowMs() }
    }
  }

  /** Whether `header` is one of an application whose rules never change the validators. */
  #isFixedSet({ version, validatorsHash, nextValidatorsHash }: Header): boolean {
    return (
      version.app <= (this.#options.fixedSetVersion ?? -1) && equalBytes(validatorsHash, nextValidatorsHash)
    )
  }

  /**
   * @returns the rules of a step; a longer period where both ends have the very same set, which cannot have
   * changed.
   */
  #rules(trusted?: LightBlock, target?: LightBlock): TrustRules {
    const isFixed =
      trusted &&
      target &&
      this.#isFixedSet(trusted.header) &&
      this.#isFixedSet(target.header) &&
      equalBytes(trusted.header.validatorsHash, target.header.validatorsHash)
    const periodMs = this.#options.trustingPeriodMs ?? TRUSTING_PERIOD_MS
    return {
      now: timeFromMs(this.#nowMs()),
      trustingPeriodMs: isFixed ? Math.max(periodMs, FIXED_SET_TRUST_MS) : periodMs,
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

/** Whether `next` follows `block` as far as the two alone tell. */
function isLinked(block: LightBlock, next: LightBlock): boolean {
  return (
    next.header.height !== block.header.height + 1 ||
    equalBytes(next.header.lastBlockId.hash, block.commit.blockId.hash)
  )
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
