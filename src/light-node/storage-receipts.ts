import { equalBytes } from '../bytes.ts'
import type { NodeValue } from '../chain-anchor/app/values.ts'
import { verifySignature } from '../crypto/sign.ts'
import { XcareError } from '../errors.ts'
import { fragmentBytesOf } from '../fragment/layout.ts'
import type { Manifest } from '../fragment/manifest.ts'
import { type MessageOf, STORAGE_RECEIPT_DOMAIN, storageReceiptBytes } from '../wire/fragment-protocol.ts'

/**
 * Checks that every receipt is the keeper's own signature over the very column it was given.
 * @param keepers the registered node of each column. @returns the columns with a good receipt, sorted.
 * @throws XcareError INTEGRITY naming the node of a wrong receipt.
 */
export function checkReceipts(
  receipts: Map<number, MessageOf<'RECEIPT'>>,
  manifest: Manifest,
  keepers: NodeValue[],
): number[] {
  for (const [column, receipt] of receipts)
    if (!isGoodReceipt(receipt, manifest, column, keepers[column]!))
      throw new XcareError(
        'INTEGRITY',
        `storage node ${keepers[column]!.nodeId} signed a wrong receipt for column ${column}`,
      )
  return [...receipts.keys()].sort((a, b) => a - b)
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
