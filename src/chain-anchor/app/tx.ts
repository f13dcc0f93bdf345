import { compareBytes, concat, utf8 } from '../../bytes.ts'
import { sha256 } from '../../crypto/hash.ts'
import { type SigningKey, verifyStrict } from '../../crypto/sign.ts'
import { XcareError } from '../../errors.ts'
import { TX_AUTHS_MAX, TX_BYTES_MAX, TX_MESSAGES_MAX, TX_VALID_BLOCKS_MAX } from '../../limits.ts'
import { bytes, bytesMax, format, text, z } from '../../schema.ts'
import { fromOne } from './fields.ts'
import { type Message, messageShape } from './messages.ts'

const SIGN_PREFIX = utf8('XCARE-TX-1')

const envelope = z.strictObject({
  body: bytesMax(TX_BYTES_MAX),
  auths: z
    .array(z.strictObject({ key: bytes(32), sig: bytes(64) }))
    .min(1)
    .max(TX_AUTHS_MAX),
})

const body = z.strictObject({
  chainId: text(50),
  uniqueId: bytes(16),
  validUntilHeight: fromOne,
  messages: z.array(messageShape).min(1).max(TX_MESSAGES_MAX),
})

/** What the signers agree to. `uniqueId` makes it happen once; after block `validUntilHeight` it cannot happen. */
export type TxBody = z.infer<typeof body>
/** One signature over the body. */
export interface TxAuth {
  key: Uint8Array
  sig: Uint8Array
}
/** A decoded transaction. `bodyHash` is what is signed behind the prefix; signatures are not checked yet. */
export interface Tx {
  body: TxBody
  auths: TxAuth[]
  bodyHash: Uint8Array
}

const envelopeFormat = format<z.infer<typeof envelope>>('transaction', TX_BYTES_MAX, envelope)
const bodyFormat = format<TxBody>('transaction body', TX_BYTES_MAX, body)

/** What `buildTx` needs. `uniqueId` is 16 random bytes; `signers` are all keys the messages need, in any order. */
export interface TxDraft {
  chainId: string
  uniqueId: Uint8Array
  validUntilHeight: number
  messages: Message[]
  signers: SigningKey[]
}

/** @returns the signed transaction. Spec: docs/spec/transaction.md. @throws XcareError INTERNAL when a field has the wrong shape. */
export function buildTx(draft: TxDraft): Uint8Array {
  const { chainId, uniqueId, validUntilHeight, messages } = draft
  const bodyBytes = bodyFormat.encode({ chainId, uniqueId, validUntilHeight, messages })
  const signed = signedBytes(sha256(bodyBytes))
  const signers = [...draft.signers].sort((a, b) => compareBytes(a.publicKey, b.publicKey))
  const auths = signers.map((signer) => ({ key: signer.publicKey, sig: signer.signRaw(signed) }))
  return envelopeFormat.encode({ body: bodyBytes, auths })
}

/** Reads a transaction without checking its signatures. @throws XcareError MALFORMED */
export function decodeTx(input: Uint8Array): Tx {
  const outer = envelopeFormat.decode(input)
  for (let at = 1; at < outer.auths.length; at++)
    if (compareBytes(outer.auths[at - 1].key, outer.auths[at].key) >= 0)
      throw new XcareError('MALFORMED', 'transaction: signer keys must be sorted and different')
  return { body: bodyFormat.decode(outer.body), auths: outer.auths, bodyHash: sha256(outer.body) }
}

/** @returns whether every signature of `tx` is valid by the strict rule, which all nodes share. */
export function verifyTxSignatures(tx: Tx): boolean {
  const signed = signedBytes(tx.bodyHash)
  return tx.auths.every(({ key, sig }) => verifyStrict(key, signed, sig))
}

/** @returns the hash by which the chain's RPC names a transaction: SHA-256 of all its bytes. */
export function txHash(input: Uint8Array): Uint8Array {
  return sha256(input)
}

/** @returns the `validUntilHeight` of a transaction sent at `currentHeight` that may wait `blocks` blocks. */
export function validUntil(currentHeight: number, blocks = 1200): number {
  return currentHeight + Math.min(blocks, TX_VALID_BLOCKS_MAX - 1)
}

function signedBytes(bodyHash: Uint8Array): Uint8Array {
  return concat(SIGN_PREFIX, bodyHash)
}
