import { assert } from './assert.ts'
import type { BudgetRules } from './budget.ts'
import type { RateRules } from './rate.ts'

const KIB = 1024
const MIB = 1024 * KIB

/** Plaintext of one object, at most. */
export const OBJECT_BYTES_MAX = 256 * MIB
/** First part of a fragment: header, key share, zeros. One leaf of the BLAKE3 tree. */
export const FRAGMENT_HEAD_BYTES = KIB
/** Leaf of a fragment's hash tree: BLAKE3's own chunk. */
export const LEAF_BYTES = KIB
/** Shard size, at most; objects use the largest shard that wastes little. */
export const SHARD_BYTES_MAX = 64 * KIB
/** Shards are whole multiples of this, so that both fields and SIMD lanes fit. */
export const SHARD_STEP_BYTES = 64
/** Bytes of a whole fragment, at most. */
export const FRAGMENT_BYTES_MAX = FRAGMENT_HEAD_BYTES + SHARD_BYTES_MAX
/** Cobblestone chunk: plaintext bytes and tag bytes. */
export const CHUNK_BYTES = 16 * KIB
export const CHUNK_TAG_BYTES = 16
/** Padded plaintext of an object, at least. */
export const PADDED_BYTES_MIN = 4 * KIB
/** Positions of one stripe with byte symbols and with 16-bit symbols. */
export const POSITIONS_MAX_GF8 = 256
export const POSITIONS_MAX_GF16 = 65536
/** Columns of one object, at most; up to so many the shares of its secrets are over GF(2^8), with more over GF(2^16). */
export const COLUMNS_MAX = 32_768
export const COLUMNS_MAX_GF8 = 255
/** All fragments of one stripe together, at most, as long as its shards have 1 KiB or more: a writer holds them in memory. */
export const STRIPE_BYTES_MAX = 96 * MIB
/** Stripes of one object, at most. */
export const STRIPES_MAX = 65536
/** Public manifest, encoded, at most: the roots of all columns are in it. */
export const MANIFEST_BYTES_MAX = 1280 * KIB
/** Sealed part of a manifest, and objects one large record may be cut into, at most. */
export const SEALED_BYTES_MAX = 128 * KIB
export const PARTS_MAX = 3072
/** Records in one bundle and bytes of one record name, at most. */
export const BUNDLE_RECORDS_MAX = 65536
export const RECORD_NAME_MAX = 255
/** Characters of a record's media type, at most. */
export const MEDIA_TYPE_TEXT_MAX = 255
/** Bytes of one segment of a path on this machine that was made from a record's name, at most. */
export const LOCAL_SEGMENT_BYTES_MAX = 255
/** Bytes of a stream of unknown length that a put holds in memory; more wait on the disk. */
export const SPOOLED_MEMORY_BYTES_MAX = 8 * MIB
/** A half-written file of a process that cannot be asked is left alone while it changed within this time. */
export const UNFINISHED_KEPT_MS = 3600 * 1000
/** Index of a bundle, encoded, at most. */
export const BUNDLE_INDEX_BYTES_MAX = 16 * MIB
/** Records and index of a bundle that is gathered, in bytes, and its records, at most. */
export const GATHERED_BYTES_MAX = MIB
export const GATHERED_RECORDS_MAX = 1024
/** Un-acked bytes on one fragment stream, at most. */
export const CREDIT_BYTES_MAX = 2 * MIB
/** One frame of the fragment protocol, at most. */
export const FRAME_BYTES_MAX = 3 * MIB
/** A stream without a frame for this long is given up. */
export const FRAME_IDLE_MS = 20_000
/** While reading, a storage node that says nothing for this long is replaced by another. */
export const READ_STALL_MS = 6_000
/** A storage node that takes this long to answer gets company: the next is asked as well. */
export const HEDGE_MS = 1_500
/** Once enough storage nodes have a stripe, the others are waited for so long, and then left behind. */
export const STRAGGLER_MS_MAX = 8_000
/** A frame may take longer than its idle limit only while at least this much of it arrives per limit. */
export const FRAME_PROGRESS_BYTES = 16 * KIB
/** Received bytes of one stream that nobody has read yet, at most, before the remote is slowed down. */
export const STREAM_BUFFER_BYTES = 2 * MIB
/** Repair asks all keepers of an object at the same time; one that has not said what it has by then counts as away. */
export const KEEPER_ANSWER_MS_MAX = 10_000
/** A remote that takes nothing from us for this long is given up. */
export const WRITE_STALL_MS = 60_000
/** Append-only file of a storage node, at most; every commit in it starts at a whole block. */
export const VOLUME_BYTES = 256 * MIB
export const VOLUME_BLOCK_BYTES = 4 * KIB
/** Records and their bytes in one commit of a storage node, at most. */
export const COMMIT_RECORDS_MAX = 1024
export const COMMIT_BYTES_MAX = 4 * MIB
/** Columns of one put on one storage node, at most: the records that end them fit one commit. */
export const PUT_COLUMNS_MAX = 16_384
/** A put that was not finished is forgotten after this long. */
export const PUT_ABANDONED_MS = 3600 * 1000
/** The same where the quota is nearly used up: an honest put is anchored within a minute or two. */
export const PUT_ABANDONED_FULL_MS = 10 * 60_000
/** A put of so many bytes keeps a journal and can be gone on with, until it is given up. */
export const PUT_JOURNAL_BYTES_MIN = 8 * MIB
export const PUT_JOURNAL_KEPT_MS = 7 * 24 * 3600 * 1000
/**
 * A storage node asks the chain about so many of the objects it keeps, every so often; about each of them
 * again after so long.
 */
export const ANCHOR_QUESTIONS_MAX = 32
export const ANCHOR_QUESTIONS_MS = 3_000
export const ANCHOR_SWEEP_MS = 6 * 3600 * 1000
/** Quota that a put is promised ahead of its bytes, as long as some come within this time. */
export const PUT_AHEAD_BYTES = 4 * MIB
export const PUT_AHEAD_MS = 10_000
/** A storage node reads a column again after this long at the earliest, its whole disk in this long. */
export const SCRUB_REST_MS = 24 * 3600 * 1000
export const SCRUB_PASS_MS = 14 * 24 * 3600 * 1000
/** Bytes of its own disk that a storage node reads in a second, at least, while columns are due. */
export const SCRUB_RATE_BYTES_MIN = 256 * KIB
/** Puts under way on one storage node, and streams of one peer it serves, at most. */
export const OPEN_PUTS_MAX = 1024
export const NODE_STREAMS_PER_PEER_MAX = 64
/** Streams that a storage node serves. */
export const NODE_STREAMS: BudgetRules = {
  ...{ total: 512, reserved: { node: 32, guardian: 0, owner: 96 } },
  ...{ perStranger: NODE_STREAMS_PER_PEER_MAX, perProven: NODE_STREAMS_PER_PEER_MAX },
  ...{ perAddress: 256, graceMs: 500 },
}
/** Who acted for the owner of an anchored object counts as one for so long; so many at once. */
export const OWNER_PROVEN_MS = 10 * 60_000
export const OWNERS_PROVEN_MAX = 4096
/** Questions to the chain whether somebody is such an owner; they are asked only while places are scarce. */
export const OWNER_PROOF_RATE: RateRules = {
  ...{ perSecond: 4, burst: 32, reserved: { node: 0, guardian: 0, owner: 0 } },
  ...{ perHolder: { perSecond: 0.2, burst: 4 }, perAddress: { perSecond: 4, burst: 32 } },
  remembered: 4096,
}
/** Bytes that a storage node has read and not sent yet; who waits longer for room is refused. */
export const READ_BYTES: BudgetRules = {
  ...{ total: 24 * MIB, reserved: { node: 2 * MIB, guardian: 0, owner: 6 * MIB } },
  ...{ perStranger: 12 * MIB, perProven: 12 * MIB, perAddress: 16 * MIB, graceMs: 500 },
}
export const READ_WAIT_MS = 5_000
/** Bytes handed to a storage node's disk thread and not yet durable, at most; above it streams wait. */
export const DISK_QUEUE_BYTES_MAX = 32 * MIB
/** A full disk is looked at again after this long. */
export const DISK_RETRY_MS = 2_000
/** Holders of an object that tell the DHT about it, and objects waiting to be told, at most. */
export const ANNOUNCERS_MAX = 8
export const ANNOUNCE_QUEUE_MAX = 20_000
/** After a restart, objects younger than this are announced again. */
export const ANNOUNCE_AGAIN_MS = 48 * 3600 * 1000
/** Opening a connection or a stream, and stopping a peer, at most. */
export const DIAL_MS = 10_000
export const PEER_STOP_MS = 8_000
/** Connections that came to one peer and on which nothing was said yet. */
export const ARRIVALS: BudgetRules = {
  ...{ total: 256, reserved: { node: 0, guardian: 0, owner: 0 } },
  ...{ perStranger: 1, perProven: 1, perAddress: 64, graceMs: 0 },
}
/** Connections whose remote is proving who it is. */
export const HANDSHAKES: BudgetRules = {
  ...{ total: 256, reserved: { node: 0, guardian: 0, owner: 0 } },
  ...{ perStranger: 1, perProven: 1, perAddress: 64, graceMs: 0 },
}
/** Connections of remotes that are known. */
export const CONNECTIONS: BudgetRules = {
  ...{ total: 600, reserved: { node: 128, guardian: 16, owner: 56 } },
  ...{ perStranger: 8, perProven: 16, perAddress: 200, graceMs: 500 },
}
/** Streams that remotes opened on their connections, before anybody knows what for. */
export const MUXED_STREAMS: BudgetRules = {
  ...{ total: 2048, reserved: { node: 512, guardian: 64, owner: 256 } },
  ...{ perStranger: 160, perProven: 256, perAddress: 800, graceMs: 500 },
}
/** Bytes of messages that remotes began and did not end, on the streams they opened. */
export const RECEIVED_BYTES: BudgetRules = {
  ...{ total: 40 * MIB, reserved: { node: 6 * MIB, guardian: 2 * MIB, owner: 8 * MIB } },
  ...{ perStranger: 16 * MIB, perProven: 16 * MIB, perAddress: 20 * MIB, graceMs: 500 },
}
/** A remote has proven who it is after this long. */
export const HANDSHAKE_MS = 10_000
/**
 * Answers of the muxer that may wait for a remote that asked for them: above the first number nothing more is
 * read from it, above the second it is cut off.
 */
export const MUX_ANSWERS_PAUSE = 256
export const MUX_ANSWERS_MAX = 8192
/** A WebSocket must be one after this long, its request has a head of at most so many bytes, and each of its messages at most so many. */
export const WEB_SOCKET_UPGRADE_MS = 10_000
export const WEB_SOCKET_HEAD_BYTES_MAX = 8 * KIB
export const WEB_SOCKET_MESSAGE_BYTES_MAX = 256 * KIB
/** Certificate of a peer, at most. */
export const CERTIFICATE_BYTES_MAX = 4 * KIB
/** A connection from which no byte came for this long is given up. */
export const CONNECTION_SILENT_MS = 90_000
/** One question to the DHT, and the wait of a new client for its first DHT neighbour, at most. */
export const DHT_QUERY_MS = 10_000
export const DHT_FIRST_NEIGHBOUR_MS = 2_000
/** Nodes that keep the record of one announced object. */
export const DHT_HOLDERS = 8
/** Peers one node remembers; provider records it keeps in memory, and those of one object, at most. */
export const KNOWN_PEERS_MAX = 20_000
export const DHT_RECORDS_MAX = 100_000
export const DHT_PROVIDERS_MAX = 64
/** Addresses taken over for one peer, at most. */
export const PEER_ADDRESSES_MAX = 8
/** One request to a guardian and its answer, at most. */
export const CUSTODY_MESSAGE_BYTES_MAX = 128 * KIB
/** Objects of one grant, at most. */
export const GRANT_OBJECTS_MAX = 256
/** Releases to one grantee in an hour and in a minute, and by one guardian in a minute, before it asks to wait. */
export const RELEASES_GRANTEE_HOUR_MAX = 4000
export const RELEASES_GRANTEE_MINUTE_MAX = 400
export const RELEASES_GUARDIAN_MINUTE_MAX = 3000
/**
 * Shares that a guardian looks up on the chain in one turn, the pause between two turns, and between two
 * rounds through all.
 */
export const SWEEP_SHARES_MAX = 16
export const SWEEP_TURN_MS = 1_000
export const SWEEP_ROUND_MS = 10 * 60_000
/** Nonces of questions that a guardian remembers, at most. */
export const QUESTION_NONCES_MAX = 65_536
/** A nonce stays used for this long. */
export const NONCE_KEPT_MS = 10 * 60_000
/** One letter in a guardian's mailbox; letters and bytes of one recipient; letters of one sender for one recipient; days kept. */
export const LETTER_BYTES_MAX = 112 * KIB
export const MAILBOX_LETTERS_MAX = 1024
export const MAILBOX_BYTES_MAX = 8 * MIB
export const MAILBOX_SENDER_LETTERS_MAX = 256
export const LETTER_KEPT_MS = 30 * 24 * 3600 * 1000
/**
 * Letters and bytes of permissions that a wallet keeps, and of one object; taken of one guardian, and time
 * for it, in one fetch.
 */
export const RECEIVED_MAX = 4096
export const RECEIVED_BYTES_MAX = 32 * MIB
export const RECEIVED_OF_OBJECT_MAX = 16
export const INBOX_BYTES_MAX = 8 * MIB
export const INBOX_MS_MAX = 30_000
/** Notices that a wallet keeps, those about permissions its owner never gave, and time for fetching them. */
export const NOTICES_MAX = 20_000
export const NOTICES_FOREIGN_MAX = 64
export const NOTICES_MS_MAX = 30_000
/**
 * A removal with absent parties is tried again at the earliest after this long; one whose shares are gone is
 * forgotten after this long.
 */
export const REMOVAL_RETRY_MS = 60_000
export const REMOVAL_KEPT_MS = 30 * 24 * 3600 * 1000
/**
 * The vault of a wallet, at most: what does not fit is refused when it comes. Beyond it, room for entries
 * that make room.
 */
export const VAULT_BYTES_MAX = 320 * MIB
export const VAULT_RESERVE_BYTES = 4 * MIB
/** Letters of all recipients, in bytes; each weighs this much more, here and in its box. */
export const MAIL_BYTES_MAX = 512 * MIB
export const LETTER_WEIGHT = KIB
/** Receipt hashes, and whole receipts, in one answer to an owner; objects in one question. */
export const RECEIPT_HASHES_MAX = 768
export const RECEIPTS_IN_ANSWER_MAX = 32
export const RECEIPT_OBJECTS_MAX = 256
/** Receipts whose hashes one transaction brings to the chain, at most. */
export const RECEIPTS_ANCHORED_MAX = 1024
/** A receipt head is anchored this soon after a release, and at the latest after this long when the chain could not be reached. */
export const RECEIPT_ANCHOR_DELAY_MS = 2_000
export const RECEIPT_ANCHOR_MAX_MS = 10 * 60_000
/** A guardian is waited for this long with one request, and works on it at most so long. */
export const GUARDIAN_ANSWER_MS = 10_000
export const GUARDIAN_REQUEST_MS = 9_000
/** Requests that wait at a guardian for a newer block, outside of the places for work, at most. */
export const GUARDIAN_WAITS_MAX = 512
/**
 * Nobody can make a share today that a guardian holds for so long: it has a part of the guardian to itself.
 */
export const SHARE_NEWCOMER_MS = 3600 * 1000
/** Streams of one connection, and requests of all, that a guardian serves at the same time. */
export const GUARDIAN_STREAMS_MAX = 64
export const GUARDIAN_REQUESTS_MAX = 512
/** Gossip payload, at most. */
export const GOSSIP_BYTES_MAX = 64 * KIB
/** What travels by gossip is as new as this, by the clock of who carries it. */
export const GOSSIP_AGE_MS_MAX = 5 * 60_000
/** Transactions that a peer carries, by the neighbour they came from. */
export const TX_GOSSIP_RATE: RateRules = {
  ...{ perSecond: 100, burst: 400, reserved: { node: 0.5, guardian: 0.1, owner: 0 } },
  ...{ perHolder: { perSecond: 25, burst: 100 }, perAddress: { perSecond: 50, burst: 200 } },
  remembered: 4096,
}
/** Notices that a peer carries, by the guardian they are from. */
export const NOTICE_RATE: RateRules = {
  ...{ perSecond: 400, burst: 4000, reserved: { node: 0, guardian: 1, owner: 0 } },
  ...{ perHolder: { perSecond: 100, burst: 1000 }, perAddress: { perSecond: 400, burst: 4000 } },
  remembered: 4096,
}
/** Slots of one cell's table. */
export const SLOTS = 16384
/** A signed request is accepted this far from the receiver's clock. */
export const REQUEST_SKEW_MS_MAX = 60_000
/** A guardian refuses to release on a header older than this. */
export const HEADER_AGE_MS_MAX = 30_000
/** Light blocks: a header may be this far ahead of the local clock. */
export const HEADER_DRIFT_MS = 10_000
/** How long a trusted header may be used to verify new ones. */
export const TRUSTING_PERIOD_MS = 14 * 24 * 3600 * 1000
/**
 * A wallet looks this often whether the chain still shows what it took back; when something could not be
 * sent, again after the shorter time.
 */
export const SAY_AGAIN_MS = 6 * 3600 * 1000
export const SAY_AGAIN_RETRY_MS = 60_000
/**
 * How long it may be used where the rules of the chain never change the validators, for headers of the very
 * same ones.
 */
export const FIXED_SET_TRUST_MS = 10 * 365 * 24 * 3600 * 1000
/** Nesting of arrays and maps in CBOR, at most. */
export const CBOR_DEPTH_MAX = 32
/** Transaction, encoded, and messages in it, at most. */
export const TX_BYTES_MAX = 64 * KIB
export const TX_MESSAGES_MAX = 16
/** Blocks a transaction may stay valid, at most. */
export const TX_VALID_BLOCKS_MAX = 17_280
/** Unique ids kept together for one height, at most; one of 16 shards. */
export const UNIQUE_IDS_PER_SHARD_MAX = 4096
/** Keys that sign one transaction, at most. */
export const TX_AUTHS_MAX = 16
/** Multiaddrs of one node or guardian, and characters of one, at most. */
export const ADDRESSES_MAX = 8
export const ADDRESS_TEXT_MAX = 256
/** Characters of a peer id, an institution id, a decentralised identifier, a short label (network, region), at most. */
export const PEER_ID_TEXT_MAX = 64
export const INST_ID_MAX = 64
export const DID_TEXT_MAX = 200
export const LABEL_TEXT_MAX = 64
/** Guardians of one object, at most. */
export const CUSTODY_GUARDIANS_MAX = 64
/** A value in the chain's state, encoded, at most. */
export const STATE_VALUE_BYTES_MAX = 64 * KIB
/** State versions that stay readable behind the newest. */
export const STATE_VERSIONS_KEPT = 640
/** Transactions and their bytes in one block, at most. */
export const BLOCK_TXS_MAX = 4096
export const BLOCK_DATA_BYTES_MAX = 4 * MIB
/**
 * What waits for a block in one lane, at most: each transaction weighs its bytes and this much for the work
 * it is.
 */
export const LANE_WEIGHT_MAX = 12 * MIB
export const TX_WEIGHT = 4 * KIB
/** Transactions of one lane in one block, and their bytes, at most: short blocks keep the next one near. */
export const BLOCK_TXS_OF_LANE_MAX = 512
export const BLOCK_BYTES_OF_LANE_MAX = 512 * KIB
/** What strangers may add to the chain: bytes in a second for ever, and at once after a time of less. */
export const STRANGER_CHAIN_BYTES_PER_SECOND = 256 * KIB
export const STRANGER_CHAIN_BURST_BYTES = 16 * MIB
/** Connections to the chain's RPC; whose request is being answered has the place of an owner. */
export const RPC_CONNECTIONS: BudgetRules = {
  ...{ total: 1024, reserved: { node: 0, guardian: 0, owner: 512 } },
  ...{ perStranger: 1, perProven: 1, perAddress: 256, graceMs: 0 },
}
/** Body of one JSON-RPC request, at most, and how long one may take. */
export const RPC_BODY_BYTES_MAX = MIB
export const RPC_DEADLINE_MS = 10_000
/** Validators of one height, and with them lines of a commit, at most. */
export const VALIDATORS_MAX = 10_000
/** Answer of a chain endpoint, at most. */
export const RPC_ANSWER_BYTES_MAX = 8 * MIB
/** Waiting for a transaction to enter a block, at most. */
export const TX_DEADLINE_MS = 60_000
/**
 * An endpoint that says nothing of a transaction for so long gives way to the next, when there is one; so
 * does one whose block shows nothing of it.
 */
export const SUBMIT_HEDGE_MS = 10_000
export const EFFECT_PATIENCE_MS = 11_000
/** One of several chain endpoints that takes longer for an answer is passed over. */
export const ENDPOINT_PATIENCE_MS = 2_000
/** An endpoint whose newest block is older than this is not enough while there are others. */
export const HEADER_STALE_MS = 15_000
/** Our clock may differ this much from the chain's, which makes a block at least every few seconds. */
export const CLOCK_SKEW_MS_MAX = 5 * 60_000
/** An idle chain makes a block at least this often. */
export const BLOCK_INTERVAL_MS_MAX = 5000
/** Headers fetched between two trusted ones while bisecting, at most. */
export const BISECTION_STEPS_MAX = 100
/** A key of the state tree, and an encoded proof, at most. */
export const STATE_KEY_BYTES_MAX = 1024
export const STATE_PROOF_BYTES_MAX = 16 * KIB
/**
 * Log of a part that another process started: at this size it becomes the one older file. How often a part
 * looks whether what it counts has changed.
 */
export const PART_LOG_BYTES_MAX = 4 * MIB
export const PART_REPORT_MS = 60_000
/** Asking an address whether this very identity lives there already. */
export const ELSEWHERE_MS_MAX = 3_000

assert(FRAGMENT_HEAD_BYTES === LEAF_BYTES, 'the fragment head is exactly leaf 0')
assert(SHARD_BYTES_MAX % LEAF_BYTES === 0, 'full shards are whole leaves')
assert(LEAF_BYTES % SHARD_STEP_BYTES === 0, 'a leaf is whole shard steps')
assert(FRAGMENT_BYTES_MAX < CREDIT_BYTES_MAX, 'a fragment fits the credit window')
assert(
  HEDGE_MS < READ_STALL_MS && READ_STALL_MS < FRAME_IDLE_MS,
  'a reader looks elsewhere before a stream is given up',
)
assert(STRAGGLER_MS_MAX < FRAME_IDLE_MS, 'waiting for stragglers does not make the others time out')
assert(KEEPER_ANSWER_MS_MAX < FRAME_IDLE_MS, 'waiting for one keeper does not make the others time out')
assert(CREDIT_BYTES_MAX < FRAME_BYTES_MAX, 'a credit window fits one frame')
assert(
  GATHERED_BYTES_MAX <= OBJECT_BYTES_MAX && GATHERED_RECORDS_MAX <= BUNDLE_RECORDS_MAX,
  'what is gathered fits a bundle',
)
assert(LOCAL_SEGMENT_BYTES_MAX >= RECORD_NAME_MAX, 'a record of one segment keeps its name')
assert(PARTS_MAX * 34 + 4 * KIB < SEALED_BYTES_MAX, 'the ids of all parts fit the sealed part')
assert(
  SEALED_BYTES_MAX + 34 * COLUMNS_MAX + 4 * KIB < MANIFEST_BYTES_MAX,
  'sealed part and column roots fit the manifest',
)
assert(
  2 * COLUMNS_MAX <= POSITIONS_MAX_GF16,
  'every number of columns has a code, with one position for the secret',
)
assert(CREDIT_BYTES_MAX <= STREAM_BUFFER_BYTES, 'a well-behaved sender is never slowed down by the transport')
assert(MANIFEST_BYTES_MAX < FRAME_BYTES_MAX, 'a manifest fits one frame')
assert(TX_BYTES_MAX * 2 < RPC_BODY_BYTES_MAX, 'a transaction in base64 fits one request')
assert(RECEIPTS_ANCHORED_MAX * 32 + 4 * KIB < TX_BYTES_MAX, 'the hashes of receipts fit a transaction')
assert(TX_BYTES_MAX < BLOCK_DATA_BYTES_MAX, 'a transaction fits a block')
assert(
  TX_BYTES_MAX <= BLOCK_BYTES_OF_LANE_MAX && TX_BYTES_MAX <= STRANGER_CHAIN_BURST_BYTES,
  'a transaction fits the part of its lane in a block',
)
assert(
  3 * BLOCK_BYTES_OF_LANE_MAX < BLOCK_DATA_BYTES_MAX && 3 * BLOCK_TXS_OF_LANE_MAX <= BLOCK_TXS_MAX,
  'the parts of all lanes fit one block',
)
assert(8 * (TX_BYTES_MAX + TX_WEIGHT) < LANE_WEIGHT_MAX, 'several of the largest transactions can wait')
assert(GUARDIAN_REQUEST_MS < GUARDIAN_ANSWER_MS, 'a guardian answers before nobody waits any more')
assert(2 * GUARDIAN_STREAMS_MAX <= GUARDIAN_REQUESTS_MAX, 'one connection never has all places of a guardian')
assert(
  RELEASES_GUARDIAN_MINUTE_MAX >= 4 * RELEASES_GRANTEE_MINUTE_MAX,
  'one grantee is never a whole guardian',
)
assert(NONCE_KEPT_MS >= 4 * REQUEST_SKEW_MS_MAX, 'a nonce outlives every clock that could accept it again')
assert(
  LETTER_BYTES_MAX + LETTER_WEIGHT <= MAILBOX_BYTES_MAX && 8 * MAILBOX_BYTES_MAX <= MAIL_BYTES_MAX,
  'every letter fits a box, and many boxes fit the room',
)
assert(LETTER_BYTES_MAX < CUSTODY_MESSAGE_BYTES_MAX, 'a letter fits one answer')
assert(REQUEST_SKEW_MS_MAX >= HEADER_AGE_MS_MAX, 'fresh headers imply an accepted clock')
assert(
  BLOCK_INTERVAL_MS_MAX + HEADER_DRIFT_MS < CLOCK_SKEW_MS_MAX,
  'a healthy chain never looks like a wrong clock',
)
assert(
  EFFECT_PATIENCE_MS > 2 * BLOCK_INTERVAL_MS_MAX,
  'the block after the one of a transaction comes while it is waited for',
)
assert(
  BLOCK_INTERVAL_MS_MAX < HEADER_STALE_MS && HEADER_STALE_MS < HEADER_AGE_MS_MAX,
  'another endpoint is asked before the newest block is too old for anybody',
)
assert(
  ENDPOINT_PATIENCE_MS < RPC_DEADLINE_MS && SUBMIT_HEDGE_MS < TX_DEADLINE_MS,
  'other endpoints get their turn in time',
)
assert(COMMIT_BYTES_MAX > FRAGMENT_BYTES_MAX + MANIFEST_BYTES_MAX, 'every record fits one commit')
assert(TX_DEADLINE_MS * 5 < PUT_ABANDONED_FULL_MS, 'what is being anchored is not dropped')
assert(SCRUB_REST_MS < SCRUB_PASS_MS, 'a pass has something to read')
assert(CREDIT_BYTES_MAX <= PUT_AHEAD_BYTES, 'what is under way is promised')
assert(VOLUME_BYTES > 2 * COMMIT_BYTES_MAX, 'a volume holds many commits')
assert(
  MUXED_STREAMS.perStranger > NODE_STREAMS_PER_PEER_MAX + GUARDIAN_STREAMS_MAX,
  'whoever uses all its streams of a protocol has some left for the rest',
)
assert(READ_WAIT_MS < READ_STALL_MS, 'a reader hears that there is no room before it looks elsewhere')
assert(
  READ_BYTES.perStranger >= CREDIT_BYTES_MAX && READ_BYTES.perStranger >= FRAME_BYTES_MAX,
  'whatever may be asked at once fits the room of one reader',
)
assert(
  NOTICE_RATE.perHolder.perSecond * 60 >= RELEASES_GUARDIAN_MINUTE_MAX,
  'a guardian can tell of every release it may make',
)
assert(
  GOSSIP_AGE_MS_MAX >= CLOCK_SKEW_MS_MAX,
  'gossip of a right clock is new to every clock that is accepted',
)
assert(
  RECEIVED_BYTES.perStranger >= 2 * STREAM_BUFFER_BYTES && RECEIVED_BYTES.perStranger >= FRAME_BYTES_MAX,
  'whoever sends as it may has room for several frames',
)
assert(MUX_ANSWERS_PAUSE < MUX_ANSWERS_MAX, 'a remote is waited for before it is cut off')
assert(CREDIT_BYTES_MAX <= DISK_QUEUE_BYTES_MAX, 'one stream never fills the disk queue')
assert(RECEIVED_BYTES_MAX * 4 < VAULT_BYTES_MAX, 'what others send never fills a vault')
assert(INBOX_BYTES_MAX >= MAILBOX_BYTES_MAX, 'a full mailbox is emptied by one fetch')
