import type { Did, NodeId, ObjectId } from './ids.ts'

/** Time, as an argument. */
export interface Clock {
  /** Milliseconds since 1970 UTC. */
  nowMs(): number
  /** Resolves after `durationMs`; rejects with the signal's reason when aborted. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>
}

/** Chance, as an argument. */
export interface Random {
  /** `length` unpredictable bytes. */
  bytes(length: number): Uint8Array
}

/** A small folder of small files: keys, headers, notices. Names are `[a-z0-9._-]` without slashes. */
export interface Folder {
  /** Whole content, or null when there is none. */
  read(name: string): Promise<Uint8Array | null>
  /** Replaces the content; whole old or whole new content survives a crash. Durable when it resolves. */
  replace(name: string, content: Uint8Array): Promise<void>
  /** Appends; durable when it resolves. A crash may leave a torn tail, never a changed head. */
  append(name: string, content: Uint8Array): Promise<void>
  /** Removes; absent is fine. */
  remove(name: string): Promise<void>
  /** Names, sorted. */
  list(): Promise<string[]>
  /**
   * `length` bytes from `offset` on, fewer where the file ends; null when there is none. Who has none of this
   * method reads the whole.
   */
  readFrom?(name: string, offset: number, length: number): Promise<Uint8Array | null>
  /**
   * Runs `work` while nobody else does, in this process or another; reading needs no turn. Who has none of
   * this method is the only user of the folder.
   * @throws XcareError LOCKED when others do not let go
   */
  exclusive?<T>(work: () => Promise<T>): Promise<T>
}

/** Where a peer can be reached. `addresses` are multiaddrs without the peer id. */
export interface PeerAddress {
  nodeId: NodeId
  addresses: string[]
}

/** An ordered two-way stream of whole frames. Knows no messages. */
export interface FrameStream {
  /** Remote end, as proven by the handshake. */
  readonly remote: NodeId
  /** Network address that the remote counts for, or null where that tells nothing apart. */
  readonly address?: string | null
  /** Sends one frame made of `parts` in order. Resolves when the transport has room for more. */
  write(...parts: Uint8Array[]): Promise<void>
  /** Next frame, or null after a clean end. @throws XcareError TIMEOUT after `idleMs`, MALFORMED above `maxBytes`, OFFLINE when cut. */
  read(maxBytes: number, idleMs: number): Promise<Uint8Array | null>
  /** Gives back the memory of a frame that nobody uses any more: a later frame of that size may be read into it. */
  recycle?(frame: ArrayBuffer): void
  /** Ends our side cleanly. */
  close(): Promise<void>
  /** Ends an exchange at whose end both sides wait for a new request: the stream may serve the next one with this peer. */
  release(): void
  /** Tears the stream down at once. */
  abort(reason: Error): void
  /**
   * Resolves when nothing that was written is read from its memory any more, also after `abort`. Who has none of this method takes a copy of what
   * is written.
   */
  flushed?(): Promise<void>
}

/** Opens streams to peers. */
export interface Transport {
  /** @throws XcareError OFFLINE when the peer cannot be reached, TIMEOUT by the signal. */
  open(peer: PeerAddress, protocol: string, signal: AbortSignal): Promise<FrameStream>
}

/** The DHT, seen as announce and find. */
export interface Directory {
  /** Tells the DHT that this peer holds the manifest of `objectId`. */
  announce(objectId: ObjectId, signal: AbortSignal): Promise<void>
  /** Peers that announced `objectId`, at most `limit`, as hints to be checked. */
  find(objectId: ObjectId, limit: number, signal: AbortSignal): Promise<PeerAddress[]>
  /** Current addresses of a peer, or null. A hint to be checked by the handshake. */
  locate(nodeId: NodeId, signal: AbortSignal): Promise<PeerAddress | null>
}

/** Gossip: small signed payloads to everyone who listens. */
export interface Broadcast {
  /** @returns how many peers it went to. 0 while nobody is known to listen: then it was not sent, and may be published again. */
  publish(topic: string, payload: Uint8Array): Promise<number>
  /** `accept` returns whether the payload is valid and may travel on. */
  subscribe(topic: string, accept: (payload: Uint8Array, from: NodeId) => boolean | Promise<boolean>): void
}

/** A value proven against a verified header. */
export interface ProvenValue {
  /** Value bytes, or null when its absence was proven. */
  value: Uint8Array | null
  /** State height, and time of the header that proves it, in ms. */
  height: number
  timeMs: number
}

/** The anchoring chain as an actor sees it: every answer is verified by the actor's own light client. */
export interface Ledger {
  /** Newest verified header, at most `maxAgeMs` old. @throws XcareError OFFLINE when none that fresh can be had, INTEGRITY on a forged one. */
  head(maxAgeMs: number): Promise<{ height: number; timeMs: number; hash: Uint8Array; chainId: string }>
  /**
   * Value of `key` in the newest verified state, not older than `maxAgeMs`.
   * @param block a newer state is looked for at once when the one at hand is from before this block. @throws as head; INTEGRITY on a wrong proof.
   */
  read(key: Uint8Array, maxAgeMs: number, block?: number): Promise<ProvenValue>
  /** Public bytes whose SHA-256 is `hash` (node lists, slot tables), checked. @throws NOT_FOUND, INTEGRITY, OFFLINE. */
  blob(hash: Uint8Array): Promise<Uint8Array>
  /**
   * Sends a transaction; resolves once the effect of each of its messages is proven by a verified header.
   * @throws XcareError REFUSED with the chain's reason, OFFLINE; TIMEOUT when nobody knows what became of it.
   */
  submit(tx: Uint8Array): Promise<{ height: number }>
  /**
   * As `submit`, but tells an endpoint's word for the block at once, as a hint for others who look for
   * themselves. Nothing is done before `proven`.
   */
  send(tx: Uint8Array): Promise<SentTx>
  /**
   * Hash of the validators that the newest verified header names for the block after it; null before there is
   * one.
   */
  nextValidatorsHash?(): Uint8Array | null
}

/** A transaction of which an endpoint says that it is in the block `height`. */
export interface SentTx {
  height: number
  /** Resolves and rejects as `Ledger.submit` does. */
  proven: Promise<{ height: number }>
}

/** What happened, for people and machines: one line of `--json`, one line on a terminal. */
export interface XcareEvent {
  type: string
  [field: string]: unknown
}

/** Receives progress. Must not throw. */
export type Progress = (event: XcareEvent) => void

/** A person or institution by its decentralised identifier and current keys. */
export interface PublicIdentity {
  did: Did
  /** Ed25519, 32 bytes. */
  signKey: Uint8Array
  /** X-Wing, 1216 bytes. */
  kemKey: Uint8Array
}
