import { equalBytes } from '../bytes.ts'
import type { NodeValue } from '../chain-anchor/app/values.ts'
import { merkleRoot } from '../crypto/merkle.ts'
import { verifySignature } from '../crypto/sign.ts'
import { XcareError } from '../errors.ts'
import { fragmentBytesOf } from '../fragment/layout.ts'
import type { Manifest } from '../fragment/manifest.ts'
import { type MessageOf, STORAGE_RECEIPT_DOMAIN, storageReceiptBytes } from '../wire/fragment-protocol.ts'

/**
 * Checks that a receipt is the keeper's own signature over the very columns it was given.
 * @param keeper the registered node of the columns. @throws XcareError INTEGRITY naming the node.
 */
export function checkReceipt(
  receipt: MessageOf<'RECEIPT'>,
  manifest: Manifest,
  columns: readonly number[],
  keeper: NodeValue,
): void {
  if (!isGoodReceipt(receipt, manifest, columns, keeper))
    throw new XcareError(
      'INTEGRITY',
      `storage node ${keeper.nodeId} signed a wrong receipt for its ${columns.length} columns`,
    )
}

function isGoodReceipt(
  receipt: MessageOf<'RECEIPT'>,
  manifest: Manifest,
  columns: readonly number[],
  keeper: NodeValue,
): boolean {
  const { network, objectId, version, stripes, columnRoots } = manifest
  const expected = {
    ...{ nodeId: keeper.nodeId, network, objectId, version },
    columns: [...columns],
    root: merkleRoot(columns.map((column) => columnRoots[column]!)),
    bytes: columns.length * stripes * fragmentBytesOf(manifest),
  }
  if (receipt.columns.join() !== columns.join() || !equalBytes(receipt.objectId, objectId)) return false
  return verifySignature(
    keeper.signKey,
    STORAGE_RECEIPT_DOMAIN,
    storageReceiptBytes(expected),
    receipt.signature,
  )
}
