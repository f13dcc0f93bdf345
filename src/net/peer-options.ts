import type { Standing } from '../budget.ts'
import type { NodeId } from '../ids.ts'
import type { PeerBudgets } from './admission.ts'

/** Builds a libp2p service from the components of the peer; `kadService` of the dht room makes one. */
export type ServiceFactory = (components: never) => unknown

/** A certificate chain that browsers accept, and its key, both as PEM text. */
export interface WebCertificate {
  cert: string
  key: string
}

/** What a peer is made of. */
export interface PeerOptions {
  /** Ed25519 identity seed, 32 bytes: the same seed gives the same node id. */
  seed: Uint8Array
  /** Multiaddrs to listen on, such as `/ip4/127.0.0.1/tcp/4001`, with `/ws` or `/tls/ws` behind it for browsers; empty for a peer that only dials. */
  listen: readonly string[]
  /** What `/tls/ws` shows to browsers. */
  certificate?: WebCertificate
  /** Host names, besides those of loopback, by which browsers may call this peer and whose pages may. */
  webNames?: readonly string[]
  /** Multiaddrs to tell others instead of the ones listened on. */
  announce?: readonly string[]
  /** Gossip topics to take part in; none by default. */
  topics?: readonly string[]
  /** Further libp2p services by name. */
  services?: Readonly<Record<string, ServiceFactory>>
  /** What is proven of a peer now; without it all are strangers. */
  standingOf?: (peer: NodeId) => Standing
  /** Other budgets than those of the house. */
  budgets?: Partial<PeerBudgets>
  /** Lets libp2p log as the environment variable DEBUG says; silent otherwise. */
  libraryLogs?: boolean
}

/** What decides how a peer makes connections. */
export type LinkOptions = Pick<PeerOptions, 'listen' | 'certificate' | 'webNames'>
