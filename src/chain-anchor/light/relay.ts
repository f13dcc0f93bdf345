import { equalBytes } from '../../bytes.ts'
import { NOTICE_TOPIC, readNotice } from '../../custody/notice.ts'
import { asXcareError, XcareError } from '../../errors.ts'
import { GOSSIP_AGE_MS_MAX, NOTICE_RATE, TX_GOSSIP_RATE } from '../../limits.ts'
import type { Broadcast, Clock, Ledger } from '../../ports.ts'
import { RateBudget } from '../../rate.ts'
import { HEADERS_TOPIC, TXS_TOPIC } from '../../wire/topics.ts'
import { decodeTx, verifyTxSignatures } from '../app/tx.ts'
import { decodeLightBlock } from '../comet/decode.ts'
import { timeToMs } from '../comet/time.ts'
import type { Members } from './members.ts'
import { checkLightBlock } from './verifier.ts'

/** What a peer that carries gossip knows by itself. */
export interface GossipView {
  network: string
  ledger: Pick<Ledger, 'nextValidatorsHash'>
  members: Members
  clock: Pick<Clock, 'nowMs'>
}

/**
 * Carries the chain's gossip for others: light blocks of the validators that this machine's own light client
 * knows, each height once and while it is new, and transactions with good signatures at a bounded rate from
 * each neighbour; both of this network only.
 * @param onHeader told of every height that passed.
 */
export function relayChainGossip(
  broadcast: Broadcast,
  view: GossipView,
  onHeader: (height: number) => void = () => {},
): void {
  const { network, clock, members } = view
  const rate = new RateBudget(TX_GOSSIP_RATE, clock.nowMs())
  let newest = 0
  broadcast.subscribe(HEADERS_TOPIC, (payload) =>
    passes(() => {
      const block = decodeLightBlock(payload)
      const { height, time, validatorsHash } = block.header
      expectNew(timeToMs(time), clock)
      if (height <= newest) throw ignored('a header that is not above the newest')
      const known = view.ledger.nextValidatorsHash?.() ?? null
      if (!known || !equalBytes(known, validatorsHash)) throw ignored('a header of other validators')
      checkLightBlock(network, block)
      newest = height
      onHeader(height)
      return true
    }),
  )
  broadcast.subscribe(TXS_TOPIC, (payload, from) =>
    passes(() => {
      const tx = decodeTx(payload)
      if (tx.body.chainId !== network) return false
      const party = { standing: members.standingOf(from), holder: from, address: null }
      if (!rate.take(party, clock.nowMs())) throw ignored('too many transactions from one neighbour')
      return verifyTxSignatures(tx)
    }),
  )
}

/**
 * Carries notices for others: of guardians that the chain names, while they are new, each once and so many in
 * a time.
 */
export function relayNotices(
  broadcast: Broadcast,
  { network, members, clock }: Omit<GossipView, 'ledger'>,
): void {
  const rate = new RateBudget(NOTICE_RATE, clock.nowMs())
  const seen = new SeenNotices()
  broadcast.subscribe(NOTICE_TOPIC, (payload) => {
    const notice = readNotice(payload, network, ({ guardianId, timeMs, nonce }) => {
      expectNew(timeMs, clock)
      if (!members.isGuardian(guardianId)) throw ignored('a notice of somebody the chain does not name')
      if (seen.has(guardianId, nonce)) throw ignored('a notice that was here before')
    })
    if (notice === null) return false
    const { guardianId, nonce, timeMs } = notice.value
    // Counted for the guardian only when it is proven to be its own; the neighbour is judged by the gossip's
    // scores.
    const party = { standing: 'guardian' as const, holder: guardianId, address: null }
    if (!rate.take(party, clock.nowMs())) throw ignored('too many notices of one guardian')
    seen.add(guardianId, nonce, timeMs, clock.nowMs())
    return true
  })
}

/** Notices that passed, for as long as they would pass again. */
class SeenNotices {
  readonly #untilMs = new Map<string, number>()

  has(guardianId: string, nonce: Uint8Array): boolean {
    return this.#untilMs.has(nameOf(guardianId, nonce))
  }

  add(guardianId: string, nonce: Uint8Array, timeMs: number, nowMs: number): void {
    this.#untilMs.set(nameOf(guardianId, nonce), timeMs + GOSSIP_AGE_MS_MAX)
    // The oldest stand first, by and large: what is left of a later one goes with it.
    for (const [name, untilMs] of this.#untilMs) {
      if (untilMs >= nowMs) return
      this.#untilMs.delete(name)
    }
  }
}

function nameOf(guardianId: string, nonce: Uint8Array): string {
  return `${guardianId} ${nonce.join()}`
}

function expectNew(timeMs: number, clock: Pick<Clock, 'nowMs'>): void {
  if (Math.abs(clock.nowMs() - timeMs) > GOSSIP_AGE_MS_MAX) throw ignored('gossip from another time')
}

/** Something that does not travel on, while whoever carried it here may have known no better. */
function ignored(what: string): XcareError {
  return new XcareError('REFUSED', what)
}

/** A payload that is not what its topic carries does not travel on; a failure of our own is nobody's fault. */
function passes(check: () => boolean): boolean {
  try {
    return check()
  } catch (error) {
    const { code } = asXcareError(error)
    if (code === 'MALFORMED' || code === 'INTEGRITY') return false
    throw error
  }
}
