import type { FrameStream, Ledger, Transport } from '../../ports.ts'
import { FRAGMENT_PROTOCOL } from '../../wire/fragment-protocol.ts'

/** A frame at least this long carries a fragment: its head alone has so many bytes. */
const FRAGMENT_FRAME_BYTES = 1024

/** Of a put or get, all streams; of loops that go on without a reset, the first. */
const STREAMS_MAX = 4096

/** What one operation asked of others, counted at the light node's own ports. */
export interface Requests {
  streams: number
  framesOut: number
  framesIn: number
  /** Times a stream answered after it was written to: round trips, those of different nodes at the same time counted each. */
  turns: number
  /** Questions to the light node's own view of the chain, of which a cache answers some, and transactions. */
  ledgerReads: number
  ledgerSubmits: number
}

/** When things happened, in ms of `performance.now()`; null when they did not. */
export interface Moments {
  firstOpen: number | null
  firstFragment: number | null
  /** Last frame written to storage nodes, and last one read from them. */
  lastWrite: number | null
  lastRead: number | null
  /** Per storage node: from its last frame written to its last answer. */
  ackMs: number[]
}

/** Stands between a light node and its transport and ledger, and counts. Changes nothing. */
export class Meter {
  requests: Requests = noRequests()
  #moments: Moments = noMoments()
  #streams: { lastWrite: number; lastRead: number }[] = []

  /** Begins anew. */
  reset(): void {
    this.requests = noRequests()
    this.#moments = noMoments()
    this.#streams = []
  }

  get moments(): Moments {
    const ackMs = this.#streams.flatMap(({ lastWrite, lastRead }) =>
      lastRead > lastWrite ? [lastRead - lastWrite] : [],
    )
    return { ...this.#moments, ackMs }
  }

  /** @returns `transport`, counted. */
  transport(transport: Transport): Transport {
    return {
      open: async (peer, protocol, signal) => {
        if (protocol === FRAGMENT_PROTOCOL) this.#moments.firstOpen ??= performance.now()
        const stream = await transport.open(peer, protocol, signal)
        this.requests.streams++
        return this.#stream(stream, protocol === FRAGMENT_PROTOCOL)
      },
    }
  }

  /** @returns `ledger`, counted. */
  ledger(ledger: Ledger): Ledger {
    return {
      head: (maxAgeMs) => {
        this.requests.ledgerReads++
        return ledger.head(maxAgeMs)
      },
      read: (...args) => {
        this.requests.ledgerReads++
        return ledger.read(...args)
      },
      blob: (hash) => {
        this.requests.ledgerReads++
        return ledger.blob(hash)
      },
      submit: (tx) => {
        this.requests.ledgerSubmits++
        return ledger.submit(tx)
      },
      send: (tx) => {
        this.requests.ledgerSubmits++
        return ledger.send(tx)
      },
    }
  }

  #stream(stream: FrameStream, isFragments: boolean): FrameStream {
    const times = { lastWrite: 0, lastRead: 0 }
    if (isFragments && this.#streams.length < STREAMS_MAX) this.#streams.push(times)
    let wrote = false
    return {
      remote: stream.remote,
      write: (...parts) => {
        wrote = true
        this.requests.framesOut++
        if (isFragments) this.#noteWrite(times, parts)
        return stream.write(...parts)
      },
      read: async (maxBytes, idleMs) => {
        const frame = await stream.read(maxBytes, idleMs)
        if (frame === null) return null
        this.requests.framesIn++
        if (wrote) this.requests.turns++
        wrote = false
        if (isFragments) times.lastRead = this.#moments.lastRead = performance.now()
        return frame
      },
      close: () => stream.close(),
      release: () => stream.release(),
      abort: (reason) => stream.abort(reason),
    }
  }

  #noteWrite(times: { lastWrite: number }, parts: Uint8Array[]): void {
    const now = performance.now()
    times.lastWrite = this.#moments.lastWrite = now
    if (parts.reduce((sum, { length }) => sum + length, 0) >= FRAGMENT_FRAME_BYTES)
      this.#moments.firstFragment ??= now
  }
}

function noRequests(): Requests {
  return { streams: 0, framesOut: 0, framesIn: 0, turns: 0, ledgerReads: 0, ledgerSubmits: 0 }
}

function noMoments(): Moments {
  return { firstOpen: null, firstFragment: null, lastWrite: null, lastRead: null, ackMs: [] }
}
