import type { MessageStream, MultiaddrConnection, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { Budget, type BudgetRules, type Lease, type Party, type Standing } from '../budget.ts'
import { XcareError } from '../errors.ts'
import type { NodeId } from '../ids.ts'
import { ARRIVALS, CONNECTIONS, HANDSHAKES, MUXED_STREAMS, RECEIVED_BYTES } from '../limits.ts'
import { addressOf } from './_address.ts'

/** What a peer divides among its remotes. */
export interface PeerBudgets {
  arrivals: BudgetRules
  handshakes: BudgetRules
  connections: BudgetRules
  streams: BudgetRules
  received: BudgetRules
}

const BUDGETS: PeerBudgets = {
  arrivals: ARRIVALS,
  handshakes: HANDSHAKES,
  connections: CONNECTIONS,
  streams: MUXED_STREAMS,
  received: RECEIVED_BYTES,
}
/** Makes a holder of each remote that has no name yet. */
let unnamed = 0

/**
 * A connection that is here: whose it is, and its place; without one where we dialled, which is our own
 * choice.
 */
interface Present {
  party: Party
  lease: Lease | null
}

/** How to end a connection. */
type Ending = () => void

/**
 * Who may be connected: counts what comes in from arrival over handshake to connection and its streams, and
 * puts strangers out where there is no room. Newcomers get in; what goes is idle and many. Spec:
 * docs/spec/transport.md section 5.
 */
export class Admission {
  readonly #arrivals: Budget
  readonly #handshakes: Budget
  readonly #connections: Budget
  readonly #streams: Budget
  readonly #received: Budget
  readonly #present = new Map<object, Present>()
  readonly #standingOf: (peer: NodeId) => Standing
  readonly #nowMs: () => number

  constructor(
    standingOf: (peer: NodeId) => Standing,
    nowMs: () => number,
    budgets: Partial<PeerBudgets> = {},
  ) {
    const { arrivals, handshakes, connections, streams, received } = { ...BUDGETS, ...budgets }
    this.#standingOf = standingOf
    this.#nowMs = nowMs
    this.#arrivals = new Budget(arrivals)
    this.#handshakes = new Budget(handshakes)
    this.#connections = new Budget(connections)
    this.#streams = new Budget(streams)
    this.#received = new Budget(received)
  }

  /** Somebody connected who has said nothing yet. @returns whether it may stay until `leave`. */
  arrive(connection: object, remote: Multiaddr | string, end: Ending): boolean {
    const party: Party = { standing: 'stranger', holder: `unnamed ${++unnamed}`, address: addressOf(remote) }
    return this.#move(this.#arrivals, party, connection, end)
  }

  /** The other end begins to prove who it is. @returns whether it may. */
  speak(connection: MessageStream): boolean {
    const arrived = this.#present.get(connection)
    return !arrived?.lease || this.#move(this.#handshakes, arrived.party, connection, ending(connection))
  }

  /** The other end has proven to be `peer`. @returns whether it may be connected until `leave`. */
  identify(peer: PeerId, connection: MultiaddrConnection): boolean {
    return this.#move(this.#connections, this.#partyOf(peer, connection), connection, ending(connection))
  }

  /** We dialled `peer` and found it. */
  dialled(peer: PeerId, connection: MultiaddrConnection): void {
    this.#present.set(connection, { party: this.#partyOf(peer, connection), lease: null })
    connection.addEventListener('close', () => this.leave(connection), { once: true })
  }

  /** It is gone. */
  leave(connection: object): void {
    this.#present.get(connection)?.lease?.release()
    this.#present.delete(connection)
  }

  /** @returns the places of the streams that the other end of `connection` opens. */
  streamsOf(connection: object): StreamPlaces {
    const budgets = { streams: this.#streams, received: this.#received }
    return new StreamPlaces(budgets, () => this.#present.get(connection) ?? null, this.#nowMs)
  }

  /** What was proven of `peer` meanwhile holds for what it has already. */
  promote(peer: NodeId): void {
    const standing = this.#standingOf(peer)
    if (standing === 'stranger') return
    this.#connections.promote(peer, standing)
    this.#streams.promote(peer, standing)
    this.#received.promote(peer, standing)
  }

  #partyOf(peer: PeerId, { remoteAddr }: MultiaddrConnection): Party {
    const holder = peer.toString() as NodeId
    return { standing: this.#standingOf(holder), holder, address: addressOf(remoteAddr) }
  }

  /** From the place it has, if any, to one of `budget`. */
  #move(budget: Budget, party: Party, connection: object, end: Ending): boolean {
    this.#present.get(connection)?.lease?.release()
    const lease = budget.take(party, 1, this.#nowMs(), end)
    if (lease === null) this.#present.delete(connection)
    else this.#present.set(connection, { party, lease })
    return lease !== null
  }
}

function ending(connection: MessageStream): Ending {
  return () => connection.abort(new XcareError('BUSY', 'others need the place of this connection'))
}

/** The place of a stream that the remote opened, and of what came by it and was not read yet. */
export interface StreamPlace {
  readonly stream: Lease
  readonly received: Lease
}

/** The streams that one remote opens on one connection. */
export class StreamPlaces {
  readonly #budgets: { streams: Budget; received: Budget }
  readonly #connection: () => Present | null
  readonly #nowMs: () => number
  readonly #unknown: Party = { standing: 'stranger', holder: `unnamed ${++unnamed}`, address: null }

  constructor(
    budgets: { streams: Budget; received: Budget },
    connection: () => Present | null,
    nowMs: () => number,
  ) {
    this.#budgets = budgets
    this.#connection = connection
    this.#nowMs = nowMs
  }

  /** @returns the place of one more stream, or null when there is none. */
  take(end: Ending): StreamPlace | null {
    const party = this.#connection()?.party ?? this.#unknown
    const stream = this.#budgets.streams.take(party, 1, this.#nowMs(), end)
    const received = stream && this.#budgets.received.take(party, 0, this.#nowMs(), end)
    return stream && received && { stream, received }
  }

  /** Something came on this stream of the connection. */
  touch(place: StreamPlace | null): void {
    const nowMs = this.#nowMs()
    place?.stream.touch(nowMs)
    this.#connection()?.lease?.touch(nowMs)
  }

  /** Has the stream hold `bytes` of what came. @returns whether there is room. */
  hold({ received }: StreamPlace, bytes: number): boolean {
    if (bytes > received.amount) return received.grow(bytes - received.amount, this.#nowMs())
    received.shrink(received.amount - bytes)
    return true
  }
}

/** Gives both places back. */
export function leavePlace({ stream, received }: StreamPlace): void {
  stream.release()
  received.release()
}
