import { XcareError } from '../../errors.ts'
import { EFFECT_PATIENCE_MS, SUBMIT_HEDGE_MS, TX_DEADLINE_MS, TX_VALID_BLOCKS_MAX } from '../../limits.ts'
import type { Clock, SentTx } from '../../ports.ts'
import { ForkError } from './detector.ts'
import type { Endpoint } from './endpoint.ts'

const POLL_MS_MIN = 25
const POLL_MS_MAX = 1000

/** What sending needs of the ledger it belongs to. */
export interface SubmissionPorts {
  clock: Clock
  /** In order of preference; nothing that one of them says is believed. */
  endpoints: readonly Endpoint[]
  /** Newest height known, 0 before the first header. */
  knownHeight(): number
  /**
   * Whether every effect is proven by a header above `height`, which is looked for anew.
   * @throws ForkError
   */
  isShown(height: number): Promise<boolean>
  /** Lets the endpoint be asked last from now on. */
  demote(endpoint: Endpoint): void
}

/** How far the transaction came by one endpoint. */
type Outcome = { kind: 'proven'; height: number } | { kind: 'failed'; error: XcareError }

/**
 * Sends a transaction until its effect is proven. An endpoint that refuses, is silent, or names a block in
 * which nothing is to be seen, gives way to the next: a transaction happens once however often it is sent.
 * @returns the first endpoint's word for its block, and the proof.
 */
export async function sendProven(ports: SubmissionPorts, tx: Uint8Array): Promise<SentTx> {
  const claimed = Promise.withResolvers<number>()
  const proven = prove(ports, tx, claimed.resolve)
  // It is awaited by who is told the block first; until then its failure must not count as unhandled.
  proven.catch(() => {})
  const height = await Promise.race([claimed.promise, proven.then((sent) => sent.height)])
  return { height, proven }
}

async function prove(
  ports: SubmissionPorts,
  tx: Uint8Array,
  claim: (height: number) => void,
): Promise<{ height: number }> {
  const untilMs = ports.clock.nowMs() + TX_DEADLINE_MS
  const failures: XcareError[] = []
  for (const endpoint of [...ports.endpoints]) {
    const outcome = await sendBy(ports, endpoint, tx, claim)
    if (outcome.kind === 'proven') return { height: outcome.height }
    failures.push(outcome.error)
    ports.demote(endpoint)
    if (ports.clock.nowMs() > untilMs) break
  }
  // What was refused, or sent over a line that was cut, may be in a block all the same.
  const isThere = failures.some(({ code }) => code !== 'OFFLINE') && (await ports.isShown(0))
  if (isThere) return { height: ports.knownHeight() - 1 }
  throw verdictOf(failures)
}

async function sendBy(
  ports: SubmissionPorts,
  endpoint: Endpoint,
  tx: Uint8Array,
  claim: (height: number) => void,
): Promise<Outcome> {
  try {
    const { height } = await answerOf(ports, endpoint, tx)
    if (height > ports.knownHeight() + TX_VALID_BLOCKS_MAX)
      throw new XcareError('INTEGRITY', `${endpoint.name} names a block that cannot be there yet`)
    claim(height)
    return await untilShown(ports, endpoint, height)
  } catch (error) {
    if (!(error instanceof XcareError) || error instanceof ForkError) throw error
    return { kind: 'failed', error }
  }
}

/** The endpoint's answer; when there are others, it is not waited for as long. */
async function answerOf(
  { clock, endpoints }: SubmissionPorts,
  endpoint: Endpoint,
  tx: Uint8Array,
): Promise<{ height: number }> {
  const answer = endpoint.submit(tx)
  if (endpoints.length === 1) return answer
  const answered = new AbortController()
  const late = clock.sleep(SUBMIT_HEDGE_MS, answered.signal).then(
    () => new XcareError('TIMEOUT', `${endpoint.name} has not said what became of a transaction`),
    () => null,
  )
  const first = await Promise.race([answer, late]).finally(() => answered.abort())
  if (!(first instanceof XcareError)) return first ?? answer
  answer.catch(() => {})
  throw first
}

async function untilShown(ports: SubmissionPorts, { name }: Endpoint, height: number): Promise<Outcome> {
  const untilMs = ports.clock.nowMs() + EFFECT_PATIENCE_MS
  for (let waitMs = POLL_MS_MIN; ; waitMs = Math.min(2 * waitMs, POLL_MS_MAX)) {
    if (await ports.isShown(height)) return { kind: 'proven', height }
    if (ports.clock.nowMs() > untilMs) break
    await ports.clock.sleep(waitMs)
  }
  const error = new XcareError(
    'TIMEOUT',
    `${name} names block ${height} for a transaction, and nothing of it is to be seen there`,
  )
  return { kind: 'failed', error }
}

/** The chain's refusal, when every endpoint gave one or was away; else nobody knows. */
function verdictOf(failures: XcareError[]): XcareError {
  const isUnknown = failures.some(
    ({ code }) => code !== 'REFUSED' && code !== 'OFFLINE' && code !== 'BUSY' && code !== 'NO_SPACE',
  )
  if (isUnknown || failures.length === 0) return unconfirmed(failures[0])
  return failures.find(({ code }) => code === 'REFUSED') ?? failures[0]!
}

function unconfirmed(cause: XcareError | undefined): XcareError {
  const reason = cause ? `: ${cause.message}` : ''
  return new XcareError('TIMEOUT', `it is not known whether the chain took the transaction${reason}`, {
    cause,
    next: 'look whether it took effect, then send it again',
  })
}
