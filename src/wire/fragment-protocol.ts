import type { ErrorCode } from '../errors.ts'
import { isErrorCode, XcareError } from '../errors.ts'
import type { NodeId } from '../ids.ts'
import {
  CREDIT_BYTES_MAX,
  FRAGMENT_BYTES_MAX,
  FRAGMENT_HEAD_BYTES,
  FRAME_BYTES_MAX,
  LEAF_BYTES,
  MANIFEST_BYTES_MAX,
  POSITIONS_MAX_GF16,
  SHARD_BYTES_MAX,
  SHARD_STEP_BYTES,
  STRIPES_MAX,
} from '../limits.ts'
import type { Format } from '../schema.ts'
import { bytes, format, text, uint, z } from '../schema.ts'
import { joinFrame, splitFrame } from './frame.ts'

/** Protocol name under which nodes serve fragments. Spec: docs/spec/fragment-protocol.md. */
export const FRAGMENT_PROTOCOL = '/xcare/frag/3'
/** Bytes of one key share, as they stand in a fragment's head and in a HEADS frame. */
export const SHARE_BYTES = 33
/** Ranges of one GET_LEAVES, at most. */
export const LEAF_RANGES_MAX = 1024
/** Shares that one GET_HEADS may ask for: columns times stripes. */
export const HEADS_MAX = 32_768
/** Fragments that one GET may ask for: columns times stripes. */
export const FRAGMENTS_MAX = 8192
/** Fragments that one VERIFY may have read, in bytes. */
const VERIFY_BYTES_MAX = 8 * 1024 * 1024
/** Bodies of one PUT or FRAG frame together, at most; one fragment always fits. */
export const BATCH_BYTES_MAX = 1024 * 1024
/** Domains of the three signed bodies of this protocol. */
export const PUT_DOMAIN = 'xcare/put/v1'
export const DELETE_DOMAIN = 'xcare/delete/v1'
export const STORAGE_RECEIPT_DOMAIN = 'xcare/storage-receipt/v1'

const HEADER_BYTES_MAX = 64 * 1024
const HASH_BYTES = 32
const LEAVES_MAX = Math.ceil(FRAGMENT_BYTES_MAX / LEAF_BYTES)
/** Bitmaps of one HAVE: a bit for every fragment of the put. */
const HAVE_BYTES_MAX = 1024 * 1024
/** Sibling hashes of one leaf range: two paths through a tree of at most 128 leaves, generously. */
export const PROOF_BYTES_MAX = 64 * HASH_BYTES
const VERSION_MAX = 2 ** 32 - 1

const version = uint(VERSION_MAX).min(1)
const column = uint(POSITIONS_MAX_GF16 - 1)
const stripe = uint(STRIPES_MAX - 1)
const versionOf = { objectId: bytes(32), version }
/** Columns in rising order: what a frame says of several columns is in the same order. */
const columns = z.array(column).min(1).max(POSITIONS_MAX_GF16).refine(isRising, 'columns rise')
const stripeRange = { ...versionOf, columns, from: stripe, to: uint(STRIPES_MAX) }

const putFields = {
  ...versionOf,
  columns,
  k: uint(POSITIONS_MAX_GF16).min(1),
  n: uint(POSITIONS_MAX_GF16).min(1),
  shardBytes: uint(SHARD_BYTES_MAX).min(SHARD_STEP_BYTES).multipleOf(SHARD_STEP_BYTES),
  stripes: uint(STRIPES_MAX).min(1),
  ownerKey: bytes(32),
}

const receiptFields = {
  nodeId: text(128),
  network: text(64),
  ...versionOf,
  columns,
  root: bytes(32),
  bytes: uint(),
}

/** Least, most and step of a body in bytes. */
type BodyRule = readonly [min: number, max: number, step: number]

const NONE: BodyRule = [0, 0, 1]
const FRAGMENTS: BodyRule = [FRAGMENT_HEAD_BYTES + SHARD_STEP_BYTES, BATCH_BYTES_MAX, SHARD_STEP_BYTES]
const MANIFEST: BodyRule = [1, MANIFEST_BYTES_MAX, 1]

const empty: z.ZodType<object> = z.strictObject({})

const PUT_RULE = 'k <= n, columns below n, and no more fragments than one HAVE can tell of'

/** Every op: its byte, its header and its body. The client's ops are below 0x40, the node's above. */
const OPS = {
  OPEN_PUT: op(0x01, z.strictObject({ ...putFields, signature: bytes(64) }).refine(fits, PUT_RULE), NONE),
  GET_HAVE: op(0x02, empty, NONE),
  VERIFY: op(
    0x05,
    z.strictObject({ from: stripe, to: uint(STRIPES_MAX) }).refine(({ from, to }) => from < to, 'from < to'),
    NONE,
  ),
  PUT: op(0x03, z.strictObject({ stripe, first: column }), FRAGMENTS),
  DONE: op(0x04, empty, MANIFEST),
  GET: op(
    0x10,
    z
      .strictObject({ ...stripeRange, hashes: z.boolean() })
      .refine((range) => covers(range, FRAGMENTS_MAX), `from < to, at most ${FRAGMENTS_MAX} fragments`),
    NONE,
  ),
  GET_HEADS: op(
    0x11,
    z
      .strictObject(stripeRange)
      .refine((range) => covers(range, HEADS_MAX), `from < to, at most ${HEADS_MAX} shares`),
    NONE,
  ),
  GET_LEAVES: op(
    0x12,
    z.strictObject({
      ...versionOf,
      hashes: z.array(column).max(LEAF_RANGES_MAX).refine(isRising, 'columns rise'),
      ranges: z
        .array(
          z.strictObject({ column, stripe, first: uint(LEAVES_MAX - 1), count: uint(LEAVES_MAX).min(1) }),
        )
        .min(1)
        .max(LEAF_RANGES_MAX),
    }),
    NONE,
  ),
  GET_MANIFEST: op(0x13, z.strictObject({ objectId: bytes(32) }), NONE),
  GET_STATUS: op(0x14, empty, NONE),
  GET_HEALTH: op(0x15, empty, NONE),
  DELETE: op(
    0x20,
    z.strictObject({ objectId: bytes(32), version, ownerKey: bytes(32), signature: bytes(64) }),
    NONE,
  ),
  HAVE: op(0x42, z.strictObject({ objectKnown: z.boolean() }), [1, HAVE_BYTES_MAX, 1]),
  ACK: op(0x43, z.strictObject({ count: uint() }), NONE),
  RECEIPT: op(0x44, z.strictObject({ ...receiptFields, signature: bytes(64) }), NONE),
  HASHES: op(0x50, z.strictObject({ first: column, count: uint(POSITIONS_MAX_GF16).min(1) }), [
    HASH_BYTES,
    STRIPES_MAX * HASH_BYTES,
    HASH_BYTES,
  ]),
  FRAG: op(0x51, z.strictObject({ stripe, first: column }), FRAGMENTS),
  HEADS: op(
    0x52,
    z
      .strictObject({ first: column, from: stripe, to: uint(STRIPES_MAX) })
      .refine(({ from, to }) => from < to),
    [SHARE_BYTES, HEADS_MAX * SHARE_BYTES, SHARE_BYTES],
  ),
  LEAVES: op(
    0x53,
    z.strictObject({
      column,
      stripe,
      first: uint(LEAVES_MAX - 1),
      count: uint(LEAVES_MAX).min(1),
      proofBytes: uint(PROOF_BYTES_MAX).multipleOf(HASH_BYTES),
    }),
    [SHARD_STEP_BYTES, FRAGMENT_BYTES_MAX + PROOF_BYTES_MAX, 1],
  ),
  MANIFEST: op(0x54, empty, MANIFEST),
  STATUS: op(
    0x55,
    z.strictObject({
      fragments: uint(),
      usedBytes: uint(),
      quotaBytes: uint(),
      readOnly: z.boolean(),
      version: text(32),
    }),
    NONE,
  ),
  HEALTH: op(
    0x56,
    z.strictObject({
      damaged: uint(),
      unanchored: uint(),
      lostVolumes: uint(),
      unreadSinceMs: uint(),
      chainSeenMs: uint(),
      registered: z.boolean(),
    }),
    NONE,
  ),
  END: op(0x7e, empty, NONE),
  ERR: op(
    0x7f,
    z.strictObject({ code: z.custom<ErrorCode>(isCode, 'unknown error code'), message: text(300) }),
    NONE,
  ),
} as const

type Ops = typeof OPS
/** Name of one op. */
export type FragmentOp = keyof Ops
type HeaderOf<K extends FragmentOp> = Ops[K] extends OpRule<infer H> ? H : never
type WithBody = 'PUT' | 'DONE' | 'HAVE' | 'HASHES' | 'FRAG' | 'HEADS' | 'LEAVES' | 'MANIFEST'
/** The message of op `K`: its header fields, and `body` where the op has one. */
export type MessageOf<K extends FragmentOp> = { op: K } & HeaderOf<K> &
  (K extends WithBody ? { body: Uint8Array } : unknown)
/** What a client may send. */
export type ClientMessage = { [K in ClientOp]: MessageOf<K> }[ClientOp]
/** What a node may send. */
export type NodeMessage = { [K in Exclude<FragmentOp, ClientOp>]: MessageOf<K> }[Exclude<
  FragmentOp,
  ClientOp
>]
type ClientOp =
  | 'OPEN_PUT'
  | 'GET_HAVE'
  | 'VERIFY'
  | 'PUT'
  | 'DONE'
  | 'GET'
  | 'GET_HEADS'
  | 'GET_LEAVES'
  | 'GET_MANIFEST'
  | 'GET_STATUS'
  | 'GET_HEALTH'
  | 'DELETE'

interface OpRule<H> {
  code: number
  header: Format<H>
  body: BodyRule
}

function op<H>(code: number, shape: z.ZodType<H>, body: BodyRule): OpRule<H> {
  return { code, header: format(`fragment frame 0x${code.toString(16)}`, HEADER_BYTES_MAX, shape), body }
}

function isCode(value: unknown): boolean {
  return typeof value === 'string' && isErrorCode(value)
}

function isRising(list: readonly number[]): boolean {
  return list.every((value, at) => at === 0 || value > list[at - 1]!)
}

function covers(range: { columns: readonly number[]; from: number; to: number }, max: number): boolean {
  return range.from < range.to && range.columns.length * (range.to - range.from) <= max
}

function fits(put: { k: number; n: number; stripes: number; columns: readonly number[] }): boolean {
  const { k, n, stripes, columns } = put
  return k <= n && columns.at(-1)! < n && columns.length * Math.ceil(stripes / 8) <= HAVE_BYTES_MAX
}

const NAMES = new Map<number, FragmentOp>(
  Object.entries(OPS).map(([name, rule]) => [rule.code, name as FragmentOp]),
)

/** @returns the parts of the frame of `message`, to be written in order; the body is not copied. @throws XcareError INTERNAL on a wrong shape. */
export function encodeFrame(message: ClientMessage | NodeMessage): Uint8Array[] {
  const { op: name, body, ...header } = message as { op: FragmentOp; body?: Uint8Array }
  const problem = bodyProblem(message, OPS[name].body, body?.length ?? 0)
  if (problem !== null) throw new XcareError('INTERNAL', `cannot write ${name}: ${problem}`)
  return joinFrame(OPS[name].code, (OPS[name] as OpRule<unknown>).header.encode(header), body ?? null)
}

/** @returns the parts of a PUT or FRAG frame whose fragments lie apart in memory. @throws as encodeFrame. */
export function encodeFragments(
  op: 'PUT' | 'FRAG',
  header: { stripe: number; first: number },
  fragments: readonly Uint8Array[],
): Uint8Array[] {
  const length = fragments.reduce((sum, fragment) => sum + fragment.length, 0)
  if (length < FRAGMENTS[0] || length > FRAGMENTS[1] || length % FRAGMENTS[2] !== 0)
    throw new XcareError('INTERNAL', `cannot write ${op}: ${fragments.length} fragments of ${length} bytes`)
  return [...joinFrame(OPS[op].code, OPS[op].header.encode(header), null), ...fragments]
}

/** @returns what a client sent; `body` is a view into `frame`. @throws XcareError MALFORMED on anything a client may not send. */
export function decodeClientFrame(frame: Uint8Array): ClientMessage {
  const message = decodeFrame(frame)
  if (OPS[message.op].code >= 0x40)
    throw new XcareError('MALFORMED', `${message.op} is not for clients to send`)
  return message as ClientMessage
}

/** @returns what a node sent; `body` is a view into `frame`. @throws XcareError MALFORMED on anything a node may not send. */
export function decodeNodeFrame(frame: Uint8Array): NodeMessage {
  const message = decodeFrame(frame)
  if (OPS[message.op].code < 0x40) throw new XcareError('MALFORMED', `${message.op} is not for nodes to send`)
  return message as NodeMessage
}

function decodeFrame(frame: Uint8Array): ClientMessage | NodeMessage {
  if (frame.length > FRAME_BYTES_MAX)
    throw new XcareError('MALFORMED', `a frame of ${frame.length} bytes is too long`)
  const parts = splitFrame(frame)
  const name = NAMES.get(parts.op)
  if (name === undefined) throw new XcareError('MALFORMED', `unknown op 0x${parts.op.toString(16)}`)
  const rule = OPS[name] as OpRule<object>
  const message = { op: name, ...rule.header.decode(parts.header) } as ClientMessage | NodeMessage
  const problem = bodyProblem(message, rule.body, parts.body.length)
  if (problem !== null) throw new XcareError('MALFORMED', `${name}: ${problem}`)
  return rule.body === NONE ? message : ({ ...message, body: parts.body } as ClientMessage | NodeMessage)
}

function bodyProblem(
  message: ClientMessage | NodeMessage,
  [min, max, step]: BodyRule,
  length: number,
): string | null {
  if (length < min || length > max) return `a body of ${length} bytes, ${min} to ${max} expected`
  if (length % step !== 0) return `a body of ${length} bytes is not a multiple of ${step}`
  if (message.op === 'LEAVES') {
    const leaves = length - message.proofBytes
    if (leaves <= (message.count - 1) * LEAF_BYTES || leaves > message.count * LEAF_BYTES)
      return 'leaves and count differ'
  }
  if (message.op === 'HEADS' && length % ((message.to - message.from) * SHARE_BYTES) !== 0)
    return 'shares and stripes differ'
  if (message.op === 'HASHES' && length % (message.count * HASH_BYTES) !== 0)
    return 'hashes and columns differ'
  return null
}

/** What a put's signature covers: columns of one layout, bound to one network and one node. */
export interface PutOrder {
  network: string
  nodeId: NodeId
  objectId: Uint8Array
  version: number
  /** In rising order. */
  columns: number[]
  k: number
  n: number
  shardBytes: number
  stripes: number
  ownerKey: Uint8Array
}

const putOrder = format(
  'put order',
  HEADER_BYTES_MAX,
  z.strictObject({ network: text(64), nodeId: text(128), ...putFields }).refine(fits),
)

/** @returns the bytes the owner signs with domain PUT_DOMAIN to put columns on one node. */
export function putOrderBytes(order: PutOrder): Uint8Array {
  const { network, nodeId, objectId, version, columns, k, n, shardBytes, stripes, ownerKey } = order
  const layout = { k, n, shardBytes, stripes }
  return putOrder.encode({ network, nodeId, objectId, version, columns, ...layout, ownerKey })
}

/** What a delete's signature covers: the object in all versions up to `version`, on every node of one network. */
export interface DeleteOrder {
  network: string
  objectId: Uint8Array
  version: number
  ownerKey: Uint8Array
}

const deleteOrder = format(
  'delete order',
  1024,
  z.strictObject({ network: text(64), objectId: bytes(32), version, ownerKey: bytes(32) }),
)

/** @returns the bytes the owner signs with domain DELETE_DOMAIN. Sending an order twice changes nothing. */
export function deleteOrderBytes({ network, objectId, version, ownerKey }: DeleteOrder): Uint8Array {
  return deleteOrder.encode({ network, objectId, version, ownerKey })
}

/** What a node vouches for after DONE: the whole columns are on its disk. */
export interface StorageReceipt {
  nodeId: string
  network: string
  objectId: Uint8Array
  version: number
  /** In rising order. */
  columns: number[]
  /** Merkle root over their column roots, in this order. */
  root: Uint8Array
  /** Of all their fragments. */
  bytes: number
}

const receipt = format('storage receipt', HEADER_BYTES_MAX, z.strictObject(receiptFields))

/** @returns the bytes the node signs with domain STORAGE_RECEIPT_DOMAIN. */
export function storageReceiptBytes(of: StorageReceipt): Uint8Array {
  const { nodeId, network, objectId, version, columns, root } = of
  return receipt.encode({ nodeId, network, objectId, version, columns, root, bytes: of.bytes })
}

/** @returns how many stripes of `columns` columns one VERIFY may ask for. */
export function verifiedStripesMax(columns: number, fragmentBytes: number): number {
  return Math.max(1, Math.floor(VERIFY_BYTES_MAX / (columns * fragmentBytes)))
}

/** Window of one put: bytes of PUT bodies that may still be sent. `take` before sending, `settle` on each ACK. */
export class CreditWindow {
  private readonly open: number[] = []
  private counted = 0
  private unacked = 0

  /** @returns whether a PUT of `size` bytes may be sent now. */
  hasRoom(size: number): boolean {
    return this.unacked + size <= CREDIT_BYTES_MAX
  }

  /** Notes a sent PUT of `size` bytes. */
  take(size: number): void {
    this.open.push(size)
    this.unacked += size
  }

  /**
   * @param count of the receiver's ACK. @returns what it acknowledges that was not before.
   * @throws XcareError MALFORMED when it falls or runs ahead of what was sent.
   */
  settle(count: number): { messages: number; bytes: number } {
    if (count < this.counted || count > this.counted + this.open.length)
      throw new XcareError(
        'MALFORMED',
        `ACK of ${count} after ${this.counted} of ${this.counted + this.open.length} sent`,
      )
    const settled = this.open.splice(0, count - this.counted)
    let bytes = 0
    for (const size of settled) bytes += size
    this.unacked -= bytes
    this.counted = count
    return { messages: settled.length, bytes }
  }

  /** Whether everything sent is acknowledged. */
  get isEmpty(): boolean {
    return this.open.length === 0
  }

  /** Messages acknowledged so far. */
  get acked(): number {
    return this.counted
  }
}
