import {
  type GossipSub,
  gossipsub,
  type Message,
  StrictNoSign,
  TopicValidatorResult,
} from '@libp2p/gossipsub'
import { assert } from '../assert.ts'
import { utf8 } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { XcareError } from '../errors.ts'
import type { NodeId } from '../ids.ts'
import { GOSSIP_BYTES_MAX } from '../limits.ts'
import type { Broadcast } from '../ports.ts'

const MIB = 1024 * 1024
/** One gossip message on the wire: an answer to IWANT carries several payloads. */
const RPC_BYTES_MAX = 2 * MIB
/**
 * Bytes waiting for one slow peer, at most: what one answer may have. Who does not take it hears nothing
 * more.
 */
const OUTBOUND_BYTES_MAX = RPC_BYTES_MAX
/** Busy disks delay answers; a shorter limit punishes honest peers. */
const IWANT_FOLLOW_UP_MS = 12_000
const SEPARATOR = new Uint8Array(1)

const DECODE_LIMITS = {
  maxSubscriptions: 64,
  maxMessages: 1024,
  maxIhaveMessageIDs: 5000,
  maxIwantMessageIDs: 1024,
  maxIdontwantMessageIDs: 512,
  maxControlMessages: 256,
  maxPeerInfos: 16,
}

/** Only invalid payloads count: rates differ too much between topics for the delivery scores. */
const TOPIC_SCORE = {
  topicWeight: 1,
  timeInMeshWeight: 0,
  timeInMeshQuantum: 1,
  timeInMeshCap: 1,
  firstMessageDeliveriesWeight: 0,
  firstMessageDeliveriesDecay: 0.5,
  firstMessageDeliveriesCap: 1,
  meshMessageDeliveriesWeight: 0,
  meshMessageDeliveriesDecay: 0.5,
  meshMessageDeliveriesCap: 1,
  meshMessageDeliveriesThreshold: 1,
  meshMessageDeliveriesWindow: 10,
  meshMessageDeliveriesActivation: 5000,
  meshFailurePenaltyWeight: 0,
  meshFailurePenaltyDecay: 0.5,
  invalidMessageDeliveriesWeight: -10,
  invalidMessageDeliveriesDecay: 0.9,
}

/** @param topics the only topics this peer joins or carries. @returns the factory of the gossip service. Spec: docs/spec/gossip.md. */
export function gossipService(topics: readonly string[]) {
  return gossipsub({
    allowedTopics: [...topics],
    // Payloads are signed by their authors; a second signature per hop would cost more than the rest together.
    globalSignaturePolicy: StrictNoSign,
    msgIdFn: messageId,
    floodPublish: true,
    fallbackToFloodsub: false,
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    emitSelf: false,
    doPX: false,
    D: 8,
    Dlo: 6,
    Dhi: 12,
    maxInboundDataLength: RPC_BYTES_MAX,
    maxOutboundBufferSize: OUTBOUND_BYTES_MAX,
    gossipsubIWantFollowupMs: IWANT_FOLLOW_UP_MS,
    decodeRpcLimits: DECODE_LIMITS,
    scoreParams: {
      // Many honest peers share one address: a local network, a hospital's NAT.
      IPColocationFactorWeight: 0,
      topics: Object.fromEntries(topics.map((topic) => [topic, TOPIC_SCORE])),
    },
  })
}

/** @param service the service made by `gossipService` with the same topics. @returns the port actors use. */
export function openBroadcast(service: unknown, topics: readonly string[]): Broadcast {
  const gossip = service as GossipSub
  // A topic without a reader carries nothing: what nobody here can judge must not travel on.
  for (const topic of topics) gossip.topicValidators.set(topic, () => TopicValidatorResult.Ignore)
  const readers = new Set<string>()
  return {
    async publish(topic, payload) {
      assert(topics.includes(topic), `this peer does not carry the topic "${topic}"`)
      if (payload.length > GOSSIP_BYTES_MAX)
        throw new XcareError('MALFORMED', `a notice of ${payload.length} bytes is too large to broadcast`)
      // What gossip was given once it takes for a duplicate later, also when nobody was there to hear it.
      if (gossip.getSubscribers(topic).length === 0) return 0
      const { recipients } = await gossip.publish(topic, payload)
      return recipients.length
    },
    subscribe(topic, accept) {
      assert(topics.includes(topic), `this peer does not carry the topic "${topic}"`)
      assert(!readers.has(topic), `the topic "${topic}" has a reader already`)
      readers.add(topic)
      gossip.topicValidators.set(topic, (from, message) => judge(message, from.toString() as NodeId, accept))
      gossip.subscribe(topic)
    },
  }
}

async function judge(
  message: Message,
  from: NodeId,
  accept: Parameters<Broadcast['subscribe']>[1],
): Promise<TopicValidatorResult> {
  if (message.data.length > GOSSIP_BYTES_MAX) return TopicValidatorResult.Reject
  try {
    return (await accept(message.data, from)) ? TopicValidatorResult.Accept : TopicValidatorResult.Reject
  } catch (error) {
    // Broken bytes are the sender's fault; anything else is ours and must not cost an honest peer its standing.
    const isForged = error instanceof XcareError && (error.code === 'MALFORMED' || error.code === 'INTEGRITY')
    return isForged ? TopicValidatorResult.Reject : TopicValidatorResult.Ignore
  }
}

function messageId(message: Message): Uint8Array {
  return sha256(utf8(message.topic), SEPARATOR, message.data)
}
