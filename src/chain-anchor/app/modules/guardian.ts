import { equalBytes } from '../../../bytes.ts'
import { firstLink, nextLink } from '../../../custody/release/receipt.ts'
import { nodeIdOfKey } from '../../../ids.ts'
import type { MessageContext } from '../context.ts'
import { guardianKey, receiptKey } from '../keys.ts'
import type { MessageOf } from '../messages.ts'
import { refuse, type Verdict } from '../refusal.ts'
import { load, save } from '../state.ts'
import { guardianValue, receiptHeadValue } from '../values.ts'
import { activeInstitution } from './institution.ts'
import { areAddresses, signedByMember } from './node.ts'

/** Registers or updates a guardian: its institution and the guardian itself agree. A new kemKey starts a new epoch of it. */
export function registerGuardian(context: MessageContext, message: MessageOf<'guardian.register'>): Verdict {
  const { type: _, ...fields } = message
  const { institution, refusal } = activeInstitution(context.state, message.instId, 'guardian')
  if (refusal) return refusal
  if (nodeIdOfKey(message.signKey) !== message.guardianId)
    return refuse('invalid', 'The peer id of a guardian does not follow from its key.')
  if (!context.signedBy(institution.signKey))
    return refuse('unauthorised', `The institution "${message.instId}" has not signed for this guardian.`)
  if (!context.signedBy(message.signKey))
    return refuse('unauthorised', 'The guardian has not signed its own registration.')
  if (!areAddresses(message.addresses))
    return refuse('invalid', 'An address of a guardian is not a multiaddr.')
  const before = load(context.state, guardianKey(message.guardianId), guardianValue)
  // Moving to another institution would let one institution come to hold two shares of an object.
  if (before && before.instId !== message.instId)
    return refuse('conflict', 'A guardian stays with the institution that registered it.')
  const epoch = !before ? 1 : before.epoch + (equalBytes(before.kemKey, message.kemKey) ? 0 : 1)
  save(context.state, guardianKey(message.guardianId), guardianValue, { ...fields, epoch, status: 'active' })
  return null
}

/** Retires a guardian, at the wish of the guardian or its institution. */
export function retireGuardian(context: MessageContext, message: MessageOf<'guardian.retire'>): Verdict {
  const before = load(context.state, guardianKey(message.guardianId), guardianValue)
  if (!before) return refuse('unknown', `There is no guardian ${message.guardianId}.`)
  if (!signedByMember(context, before))
    return refuse('unauthorised', 'Only a guardian or its institution may retire it.')
  if (before.status === 'retired') return refuse('conflict', 'This guardian is retired already.')
  save(context.state, guardianKey(message.guardianId), guardianValue, { ...before, status: 'retired' })
  return null
}

/**
 * Extends the anchored receipts of a guardian: the hashes must lead from the head that the chain has to the
 * new one. So every head was on the way to the next, and who followed one chain of receipts can be shown no
 * other. Why: docs/adr/0124-receipts-extend-what-is-anchored.md.
 */
export function extendReceipts(context: MessageContext, message: MessageOf<'receipt.extend'>): Verdict {
  const { guardianId, from, hashes, head } = message
  const guardian = load(context.state, guardianKey(guardianId), guardianValue)
  if (!guardian) return refuse('unknown', `There is no guardian ${guardianId}.`)
  if (!context.signedBy(guardian.signKey))
    return refuse('unauthorised', 'Only the guardian may anchor its receipts.')
  const before = load(context.state, receiptKey(guardianId), receiptHeadValue)
  const anchored = before?.count ?? 0
  if (from !== anchored)
    return refuse('conflict', `${anchored} receipts of this guardian are anchored, not ${from}.`)
  let link = before?.head ?? firstLink(context.chainId, guardianId)
  for (let at = 0; at < hashes.length; at += 32) link = nextLink(link, hashes.subarray(at, at + 32))
  if (!equalBytes(link, head))
    return refuse('conflict', 'These receipts do not continue those of this guardian that are anchored.')
  const count = from + hashes.length / 32
  save(context.state, receiptKey(guardianId), receiptHeadValue, { guardianId, seq: count, head, count })
  return null
}

/** First version of the rules under which receipts are only extended. */
const EXTENDED_SINCE = 2

/**
 * Anchors a head of receipts with nothing but a rising number, in blocks of the first rules; refused since.
 */
export function anchorReceipts(context: MessageContext, message: MessageOf<'receipt.batch'>): Verdict {
  if (context.rules >= EXTENDED_SINCE)
    return refuse('invalid', 'Receipts are anchored by their hashes: this guardian runs an earlier version.')
  const { guardianId, seq, head, count } = message
  const guardian = load(context.state, guardianKey(guardianId), guardianValue)
  if (!guardian) return refuse('unknown', `There is no guardian ${guardianId}.`)
  if (!context.signedBy(guardian.signKey))
    return refuse('unauthorised', 'Only the guardian may anchor its receipts.')
  const before = load(context.state, receiptKey(guardianId), receiptHeadValue)
  if (before && seq <= before.seq)
    return refuse(
      'conflict',
      `The receipts of this guardian are anchored up to number ${before.seq} already.`,
    )
  save(context.state, receiptKey(guardianId), receiptHeadValue, { guardianId, seq, head, count })
  return null
}
