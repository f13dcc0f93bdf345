import { equalBytes } from '../bytes.ts'
import { cobblestoneLength } from '../crypto/cobblestone.ts'
import { verifySignature } from '../crypto/sign.ts'
import { XcareError } from '../errors.ts'
import { COLUMNS_MAX, paddedLengthOf, THRESHOLD_MIN } from '../fragment/layout.ts'
import type { NodeId } from '../ids.ts'
import { OBJECT_BYTES_MAX, OPEN_PUTS_MAX, PUT_COLUMNS_MAX } from '../limits.ts'
import {
  DELETE_DOMAIN,
  deleteOrderBytes,
  type MessageOf,
  PUT_DOMAIN,
  putOrderBytes,
} from '../wire/fragment-protocol.ts'

/** Sealed body of the largest object. */
const BODY_BYTES_MAX = cobblestoneLength(paddedLengthOf(OBJECT_BYTES_MAX))

/** Which node on which network decides. */
export interface Audience {
  network: string
  nodeId: NodeId
}

/** What a node knows when it decides about a put. */
export interface PutFacts {
  /** Why nothing is written now, or null. */
  readOnly: string | null
  /** Puts under way on this node. */
  openPuts: number
  /** Owner of the manifests held of this object, or null. */
  knownOwner: Uint8Array | null
  /** Newest version that this owner deleted here; 0 for none. */
  deletedVersion: number
  /** Whether all these columns are complete. */
  isComplete: boolean
  /** Layouts under which some of these columns were begun. */
  begunAs: { k: number; n: number; shardBytes: number; stripes: number }[]
  /** Other columns of this version held or under way here. */
  otherColumns: number
  /** Bytes this put will take, and those of them that are promised before they come. */
  cost: number
  aheadBytes: number
  /**
   * Bytes of the quota that nothing on the disk has taken, and those of them that no other put was promised.
   */
  quotaBytes: number
  roomBytes: number
}

/**
 * Decides whether a put of columns may begin.
 * @throws XcareError MALFORMED for an impossible layout, REFUSED with the reason, QUOTA_FULL, NO_SPACE, BUSY.
 */
export function admitPut(order: MessageOf<'OPEN_PUT'>, facts: PutFacts): void {
  const { k, n, shardBytes, stripes } = order
  if (k < THRESHOLD_MIN || k >= n || n > COLUMNS_MAX)
    throw new XcareError('MALFORMED', `${k} of ${n} is no threshold of a total`)
  if (k * shardBytes * (stripes - 1) >= BODY_BYTES_MAX)
    throw new XcareError(
      'MALFORMED',
      `no object has ${stripes} stripes of ${k} shards of ${shardBytes} bytes`,
    )
  if (order.columns.length > PUT_COLUMNS_MAX)
    throw new XcareError(
      'MALFORMED',
      `${order.columns.length} columns in one put, at most ${PUT_COLUMNS_MAX}`,
    )
  if (facts.knownOwner && !equalBytes(facts.knownOwner, order.ownerKey))
    throw refused('the object belongs to another owner')
  if (order.version <= facts.deletedVersion) throw refused('the owner has deleted this version')
  if (facts.begunAs.some((begun) => !sameLayout(order, begun)))
    throw refused('the column was begun with another layout')
  if (facts.isComplete) return
  if (facts.otherColumns + order.columns.length > columnsPerNodeMax(k))
    throw refused(`this node may hold ${columnsPerNodeMax(k)} columns of the object`)
  if (facts.readOnly !== null) throw new XcareError('NO_SPACE', facts.readOnly)
  if (facts.openPuts >= OPEN_PUTS_MAX)
    throw new XcareError('BUSY', 'too many puts are under way on this node')
  // How much is left is nobody's concern: who knew could fill the node to the byte.
  if (facts.cost > facts.quotaBytes || facts.aheadBytes > facts.roomBytes)
    throw new XcareError('QUOTA_FULL', "the node's quota has no room for this put")
}

/** @returns columns of one object that one node may hold, as placement allows one institution: fewer than a third of the threshold, at least one. */
export function columnsPerNodeMax(k: number): number {
  return Math.max(1, Math.ceil(k / 3) - 1)
}

/** @throws XcareError REFUSED when the owner named in `order` did not sign it for this node on this network. */
export function checkPutSignature(order: MessageOf<'OPEN_PUT'>, { network, nodeId }: Audience): void {
  const signed = putOrderBytes({ ...order, network, nodeId })
  if (!verifySignature(order.ownerKey, PUT_DOMAIN, signed, order.signature))
    throw refused('the signature of the put order is wrong for this node and network')
}

/** @throws XcareError REFUSED when the owner named in `order` did not sign it for this network. */
export function checkDeleteSignature(order: MessageOf<'DELETE'>, network: string): void {
  const signed = deleteOrderBytes({ ...order, network })
  if (!verifySignature(order.ownerKey, DELETE_DOMAIN, signed, order.signature))
    throw refused('the signature of the delete order is wrong for this network')
}

function sameLayout(a: Layout, b: Layout): boolean {
  return a.k === b.k && a.n === b.n && a.shardBytes === b.shardBytes && a.stripes === b.stripes
}

type Layout = { k: number; n: number; shardBytes: number; stripes: number }

function refused(why: string): XcareError {
  return new XcareError('REFUSED', why)
}
