import { NOTICE_TOPIC } from '../custody/notice.ts'

/** Gossip topic of new light blocks, as tendermint.types.LightBlock bytes. Spec: docs/spec/gossip.md. */
export const HEADERS_TOPIC = 'headers'
/** Gossip topic of transactions. */
export const TXS_TOPIC = 'txs'
/** Every gossip topic of the network; peers refuse all others. */
export const TOPICS = [HEADERS_TOPIC, TXS_TOPIC, NOTICE_TOPIC]
