import { equalBytes } from '../bytes.ts'
import type { NodeValue } from '../chain-anchor/app/values.ts'
import { verifySignature } from '../crypto/sign.ts'
import { XcareError } from '../errors.ts'
import { fragmentBytesOf } from '../fragment/layout.ts'
import type { Manifest } from '../fragment/manifest.ts'
import { type MessageOf, STORAGE_RECEIPT_DOMAIN, storageReceiptBytes } from '../wire/fragment-protocol.ts'

/**
 * Checks that a receipt is the keeper's own signature over the very column it was given.
 * @param keeper the registered node of the column. @throws XcareError INTEGRITY naming the node.
 */
export function checkReceipt(
  receipt: MessageOf<'RECEIPT'>,
  manifest: Manifest,
  column: number,
  keeper: NodeValue,
): void {
  if (!isGoodReceipt(receipt, manifest, column, keeper))
    throw new XcareError(
      'INTEGRITY',
      `storage node ${keeper.nodeId} signed a wrong receipt for column ${column}`,
    )
}

function isGoodReceipt(
  receipt: MessageOf<'RECEIPT'>,
  manifest: Manifest,
  column: number,
  keeper: NodeValue,
): boolean {
  const expected = {
    nodeId: keeper.nodeId,
    network: manifest.network,
    objectId: manifest.objectId,
    version: manifest.version,
    column,
    columnRoot: manifest.columnRoots[column]!,
    bytes: manifest.stripes * fragmentBytesOf(manifest),
  }
  if (receipt.column !== column || !equalBytes(receipt.objectId, manifest.objectId)) return false
  const signed = storageReceiptBytes(expected)
  return verifySignature(keeper.signKey, STORAGE_RECEIPT_DOMAIN, signed, receipt.signature)
}
