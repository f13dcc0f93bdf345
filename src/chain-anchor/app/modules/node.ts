import { nodeIdOfKey } from '../../../ids.ts'
import { SLOTS } from '../../../limits.ts'
import type { MessageContext } from '../context.ts'
import { institutionKey, nodeKey } from '../keys.ts'
import type { MessageOf } from '../messages.ts'
import { refuse, type Verdict } from '../refusal.ts'
import { load, type StateView, save } from '../state.ts'
import { institutionValue, nodeValue } from '../values.ts'
import { activeInstitution } from './institution.ts'

/** Registers or updates a storage node: its institution and the node itself agree. */
export function registerNode(context: MessageContext, message: MessageOf<'node.register'>): Verdict {
  const { type: _, ...fields } = message
  const { institution, refusal } = activeInstitution(context.state, message.instId, 'storage')
  if (refusal) return refusal
  if (nodeIdOfKey(message.signKey) !== message.nodeId)
    return refuse('invalid', 'The peer id of a node does not follow from its key.')
  if (!context.signedBy(institution.signKey))
    return refuse('unauthorised', `The institution "${message.instId}" has not signed for this node.`)
  if (!context.signedBy(message.signKey))
    return refuse('unauthorised', 'The node has not signed its own registration.')
  if (!areAddresses(message.addresses)) return refuse('invalid', 'An address of a node is not a multiaddr.')
  if (context.state.get(nodeKey(message.nodeId)) === null && context.state.list('node/').length >= SLOTS)
    return refuse('full', `This network has ${SLOTS} nodes already.`)
  save(context.state, nodeKey(message.nodeId), nodeValue, { ...fields, status: 'active' })
  return null
}

/** Drains or retires a storage node, at the wish of the node or its institution. */
export function retireNode(context: MessageContext, message: MessageOf<'node.retire'>): Verdict {
  const before = load(context.state, nodeKey(message.nodeId), nodeValue)
  if (!before) return refuse('unknown', `There is no node ${message.nodeId}.`)
  if (!signedByMember(context, before))
    return refuse('unauthorised', 'Only a node or its institution may retire it.')
  if (before.status === 'retired') return refuse('conflict', 'This node is retired already.')
  save(context.state, nodeKey(message.nodeId), nodeValue, { ...before, status: message.status })
  return null
}

/** @returns whether a member (node or guardian) or its institution signed. */
export function signedByMember(
  context: { state: StateView; signedBy(key: Uint8Array): boolean },
  member: { signKey: Uint8Array; instId: string },
): boolean {
  if (context.signedBy(member.signKey)) return true
  const institution = load(context.state, institutionKey(member.instId), institutionValue)
  return institution !== null && context.signedBy(institution.signKey)
}

/** @returns whether all texts have the form of a multiaddr. */
export function areAddresses(addresses: readonly string[]): boolean {
  return addresses.every((address) => /^(\/[^\s/]+){2,}$/.test(address))
}
