import { equalBytes } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import { TX_BYTES_MAX, TX_VALID_BLOCKS_MAX } from '../../limits.ts'
import type { BlockContext, MessageContext } from './context.ts'
import type { Message } from './messages.ts'
import { destroyCustody, freezeCustody, recordCustody } from './modules/custody.ts'
import { turnEpoch } from './modules/epoch.ts'
import { createGrant, revokeGrant } from './modules/grant.ts'
import { anchorReceipts, extendReceipts, registerGuardian, retireGuardian } from './modules/guardian.ts'
import { registerIdentity, rotateIdentity } from './modules/identity.ts'
import { registerInstitution, suspendInstitution } from './modules/institution.ts'
import { registerNode, retireNode } from './modules/node.ts'
import { anchorRecord, removeRecord } from './modules/record.ts'
import { firstRefusal, type Refusal, refuse, TX_CODE, type Verdict } from './refusal.ts'
import { checkUnique, forgetExpired, rememberId } from './replay.ts'
import { type StateChanges, StateOverlay, type StateView } from './state.ts'
import { decodeTx, type Tx, verifyTxSignatures } from './tx.ts'

/** A block as the rules see it. */
export interface BlockInput extends BlockContext {
  /** Hash of the block's header. */
  hash: Uint8Array
  txs: readonly Uint8Array[]
}

/** Result of one transaction: code of TX_CODE, and a sentence when it was refused. */
export type TxOutcome = Refusal

/** Results in the order of the transactions, and what the block changes. */
export interface BlockOutcome {
  results: TxOutcome[]
  changes: StateChanges
}

/** Whether all signatures of a decoded transaction are valid; may remember earlier answers. */
export type SignatureCheck = (tx: Tx, bytes: Uint8Array) => boolean

/** Applies a block to `base`, which stays as it is. Same inputs, same outcome, on every machine. */
export function applyBlock(
  base: StateView,
  block: BlockInput,
  check: SignatureCheck = verifyTxSignatures,
): BlockOutcome {
  const state = new StateOverlay(base)
  forgetExpired(state, block.height)
  const results = block.txs.map((tx) => applyTx(state, block, tx, check))
  turnEpoch(state, block, block.hash)
  return { results, changes: state.changes() }
}

/**
 * Judges a transaction that is to wait as if it were in this block, the cheap rules first. `state` has its
 * effects afterwards, or is as it was.
 * @param admits asked when nothing but a signature could still be wrong.
 */
export function judgeTx(
  state: StateOverlay,
  block: BlockContext,
  bytes: Uint8Array,
  check: SignatureCheck,
  admits: (tx: Tx) => boolean,
): { outcome: TxOutcome; tx: Tx | null } {
  const tx = readTx(bytes)
  if (!('body' in tx)) return { outcome: tx, tx: null }
  const above = new StateOverlay(state)
  const refusal = firstRefusal(
    () => checkWindow(tx, block),
    () => checkUnique(state, tx.body),
    () => applyMessages({ ...block, state: above, signedBy: signersOf(tx) }, tx.body.messages),
    () => (admits(tx) ? null : refuse('full', 'Too many transactions wait for a block.')),
    () => checkSignatures(tx, bytes, check),
  )
  if (refusal) return { outcome: refusal, tx: null }
  rememberId(above, tx.body)
  state.absorb(above)
  return { outcome: { code: TX_CODE.ok, log: '' }, tx }
}

/** Applies one transaction to `state`: all of it, or nothing but its unique id. */
function applyTx(
  state: StateOverlay,
  block: BlockContext,
  bytes: Uint8Array,
  check: SignatureCheck = verifyTxSignatures,
): TxOutcome {
  const tx = readTx(bytes)
  if (!('body' in tx)) return tx
  const refusal = firstRefusal(
    () => checkWindow(tx, block),
    () => checkUnique(state, tx.body),
    () => checkSignatures(tx, bytes, check),
  )
  if (refusal) return refusal
  rememberId(state, tx.body)
  const above = new StateOverlay(state)
  const verdict = applyMessages({ ...block, state: above, signedBy: signersOf(tx) }, tx.body.messages)
  if (verdict) return verdict
  state.absorb(above)
  return { code: TX_CODE.ok, log: '' }
}

function readTx(bytes: Uint8Array): Tx | Refusal {
  if (bytes.length > TX_BYTES_MAX)
    return refuse('malformed', `A transaction has at most ${TX_BYTES_MAX} bytes.`)
  try {
    return decodeTx(bytes)
  } catch (error) {
    if (error instanceof XcareError)
      return refuse('malformed', `This is not a transaction: ${error.message}.`)
    throw error
  }
}

function checkSignatures(tx: Tx, bytes: Uint8Array, check: SignatureCheck): Verdict {
  return check(tx, bytes) ? null : refuse('signature', 'A signature of the transaction is wrong.')
}

function checkWindow({ body }: Tx, { chainId, height }: BlockContext): Verdict {
  if (body.chainId !== chainId)
    return refuse('wrongChain', `This transaction is for another network, not for "${chainId}".`)
  if (body.validUntilHeight < height)
    return refuse('expired', `This transaction was valid until block ${body.validUntilHeight} only.`)
  if (body.validUntilHeight > height + TX_VALID_BLOCKS_MAX)
    return refuse('invalid', `A transaction may be valid for at most ${TX_VALID_BLOCKS_MAX} blocks.`)
  return null
}

function signersOf({ auths }: Tx): (key: Uint8Array) => boolean {
  return (key) => auths.some((auth) => equalBytes(auth.key, key))
}

function applyMessages(context: MessageContext, messages: readonly Message[]): Verdict {
  for (const [at, message] of messages.entries()) {
    const verdict = applyMessage(context, message)
    if (verdict)
      return messages.length === 1 ? verdict : { ...verdict, log: `Message ${at + 1}: ${verdict.log}` }
  }
  return null
}

function applyMessage(context: MessageContext, message: Message): Verdict {
  switch (message.type) {
    case 'institution.register':
      return registerInstitution(context, message)
    case 'institution.suspend':
      return suspendInstitution(context, message)
    case 'node.register':
      return registerNode(context, message)
    case 'node.retire':
      return retireNode(context, message)
    case 'guardian.register':
      return registerGuardian(context, message)
    case 'guardian.retire':
      return retireGuardian(context, message)
    case 'identity.register':
      return registerIdentity(context, message)
    case 'identity.rotate':
      return rotateIdentity(context, message)
    case 'record.anchor':
      return anchorRecord(context, message)
    case 'record.remove':
      return removeRecord(context, message)
    case 'custody.record':
      return recordCustody(context, message)
    case 'custody.freeze':
      return freezeCustody(context, message)
    case 'custody.destroy':
      return destroyCustody(context, message)
    case 'grant.create':
      return createGrant(context, message)
    case 'grant.revoke':
      return revokeGrant(context, message)
    case 'receipt.extend':
      return extendReceipts(context, message)
    case 'receipt.batch':
      return anchorReceipts(context, message)
  }
}
