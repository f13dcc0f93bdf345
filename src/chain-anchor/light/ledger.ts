import { equalBytes } from '../../bytes.ts'
import { sha256 } from '../../crypto/hash.ts'
import { XcareError } from '../../errors.ts'
import { CLOCK_SKEW_MS_MAX, HEADER_DRIFT_MS } from '../../limits.ts'
import type { Clock, Ledger, ProvenValue, SentTx } from '../../ports.ts'
import { type Effect, effectsOf } from '../app/effects.ts'
import { decodeTx } from '../app/tx.ts'
import { timeToMs } from '../comet/time.ts'
import type { Header, LightBlock } from '../comet/types.ts'
import { verifyStateProof } from '../state/proof.ts'
import { LightClient, type LightClientOptions } from './client.ts'
import { ForkError } from './detector.ts'
import type { Endpoint } from './endpoint.ts'
import { sendProven } from './submission.ts'
import { clockSkew, inWords } from './verifier.ts'

/** Calls this close together share one sync, so that a burst of reads asks for one header. */
const SYNC_SHARED_MS = 30
/** Endpoints prune old states: a read that came too late is tried again on a fresh header. */
const READ_ATTEMPTS = 2

/** What a ledger needs: a light client with its endpoints told apart. */
export interface LedgerOptions extends Omit<LightClientOptions, 'endpoints'> {
  /** The endpoint to ask first. */
  provider: Endpoint
  /** Other endpoints: witnesses of every header, and next in line when the provider fails. */
  witnesses?: Endpoint[]
}

/** @returns the chain as seen through an own light client: nothing an endpoint says is believed. Does not touch the network yet. */
export async function openLedger(options: LedgerOptions): Promise<Ledger> {
  const { provider, witnesses = [], ...rest } = options
  const client = await LightClient.open({ ...rest, endpoints: [provider, ...witnesses] })
  return new LightLedger(client, options.clock)
}

class LightLedger implements Ledger {
  readonly #client: LightClient
  readonly #clock: Clock
  #syncedMs = Number.NEGATIVE_INFINITY

  constructor(client: LightClient, clock: Clock) {
    this.#client = client
    this.#clock = clock
  }

  async head(maxAgeMs: number) {
    const { header, commit } = await this.#fresh(maxAgeMs)
    return {
      height: header.height,
      timeMs: timeToMs(header.time),
      hash: commit.blockId.hash,
      chainId: header.chainId,
    }
  }

  nextValidatorsHash(): Uint8Array | null {
    return this.#client.newest?.header.nextValidatorsHash ?? null
  }

  async read(key: Uint8Array, maxAgeMs: number, block = 0): Promise<ProvenValue> {
    for (let attempt = 1; ; attempt++) {
      const { header } = await this.#fresh(maxAgeMs, block)
      const stateHeight = header.height - 1
      // The first header commits to the genesis state, which no endpoint can be asked about by height.
      if (stateHeight < 1)
        throw new XcareError('OFFLINE', 'the chain has just begun', { next: 'try again in a few seconds' })
      try {
        return { value: await this.#prove(key, header), height: stateHeight, timeMs: timeToMs(header.time) }
      } catch (error) {
        const late = error instanceof XcareError && error.code === 'NOT_FOUND'
        if (!late) throw error
        if (attempt === READ_ATTEMPTS)
          throw new XcareError('OFFLINE', 'no endpoint keeps the newest state of the chain', { cause: error })
        this.#syncedMs = Number.NEGATIVE_INFINITY
      }
    }
  }

  blob(hash: Uint8Array): Promise<Uint8Array> {
    return this.#anyEndpoint(async (endpoint) => {
      const { value } = await endpoint.query('/blob', hash, 0)
      if (!value) throw new XcareError('NOT_FOUND', `${endpoint.name} does not have these public bytes`)
      if (!equalBytes(sha256(value), hash))
        throw new XcareError('INTEGRITY', `${endpoint.name} gave other bytes than asked for`)
      return value
    })
  }

  async submit(tx: Uint8Array): Promise<{ height: number }> {
    return (await this.send(tx)).proven
  }

  async send(tx: Uint8Array): Promise<SentTx> {
    const effects = effectsOf(decodeTx(tx).body.messages)
    const client = this.#client
    return sendProven(
      {
        clock: this.#clock,
        endpoints: client.endpoints,
        knownHeight: () => client.newest?.header.height ?? 0,
        isShown: (height) => this.#shows(effects, height),
        demote: (endpoint) => client.demote(endpoint),
      },
      tx,
    )
  }

  /** Whether all `effects` are proven by a header above `height`. @throws ForkError */
  async #shows(effects: readonly Effect[], height: number): Promise<boolean> {
    try {
      const { header } = await this.#client.sync(height)
      if (header.height <= Math.max(height, 1)) return false
      const shown = effects.map(async ({ key, shows }) => shows(await this.#prove(key, header)))
      if (!(await Promise.all(shown)).every(Boolean)) return false
      this.#syncedMs = this.#clock.nowMs()
      // Who saw something taken away must not forget it, or it could come back unnoticed.
      if (effects.some(({ takesAway }) => takesAway)) await this.#client.keep()
      return true
    } catch (error) {
      if (error instanceof ForkError || !(error instanceof XcareError)) throw error
      return false
    }
  }

  /**
   * @returns the value of `key` in the state that `header` commits to, null when it is proven to be absent.
   */
  #prove(key: Uint8Array, header: Header): Promise<Uint8Array | null> {
    return this.#anyEndpoint(async (endpoint) => {
      const answer = await endpoint.query('/key', key, header.height - 1)
      const value = answer.value === null || answer.value.length === 0 ? null : answer.value
      if (!answer.proof || !verifyStateProof(header.appHash, key, value, answer.proof))
        throw new XcareError('INTEGRITY', `${endpoint.name} gave a value that the chain does not prove`)
      return value
    })
  }

  /** Newest verified block; fails only when what is known is older than `maxAgeMs`. One that proves nothing of block `below` is not shared. */
  async #fresh(maxAgeMs: number, below = 0): Promise<LightBlock> {
    const known = this.#client.newest
    const isShared =
      known && known.header.height > below && Math.abs(this.#clock.nowMs() - this.#syncedMs) < SYNC_SHARED_MS
    if (isShared && this.#age(known) <= maxAgeMs) return known
    let block: LightBlock
    try {
      block = await this.#client.sync(below)
      this.#syncedMs = this.#clock.nowMs()
    } catch (error) {
      const away = error instanceof XcareError && (error.code === 'OFFLINE' || error.code === 'TIMEOUT')
      if (!away || !known || this.#age(known) > maxAgeMs) throw error
      return known
    }
    const ageMs = this.#age(block)
    if (ageMs <= maxAgeMs) return block
    if (ageMs > CLOCK_SKEW_MS_MAX) throw await this.#client.explainAge()
    throw new XcareError('OFFLINE', `the newest block of the chain is ${inWords(ageMs)} old`, {
      next: 'wait until the institutions that run the chain are back, then try again',
    })
  }

  /** Age of a verified block. @throws XcareError CLOCK_SKEW when it is in our future. */
  #age({ header }: LightBlock): number {
    const ageMs = this.#clock.nowMs() - timeToMs(header.time)
    if (ageMs < -HEADER_DRIFT_MS) throw clockSkew(-ageMs)
    return ageMs
  }

  /** Asks one endpoint after the other. A wrong answer weighs more than none, none more than "not found". */
  async #anyEndpoint<T>(ask: (endpoint: Endpoint) => Promise<T>): Promise<T> {
    const failures: XcareError[] = []
    for (const endpoint of [...this.#client.endpoints]) {
      try {
        return await ask(endpoint)
      } catch (error) {
        if (!(error instanceof XcareError)) throw error
        failures.push(error)
        // One that does not know something may know everything else.
        if (error.code !== 'NOT_FOUND') this.#client.demote(endpoint)
      }
    }
    throw (
      failures.find(({ code }) => code === 'INTEGRITY') ??
      failures.find(({ code }) => code !== 'NOT_FOUND') ??
      failures[0]!
    )
  }
}
