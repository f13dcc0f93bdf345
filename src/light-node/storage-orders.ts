import type { SigningKey } from '../crypto/sign.ts'
import type { NodeId } from '../ids.ts'
import { PUT_DOMAIN, type PutOrder, putOrderBytes } from '../wire/fragment-protocol.ts'
import type { StorageOrder } from './columns/node-upload.ts'

/** @param columns rising. @returns the order to keep them, signed by the object's owner for this network and node alone. */
export function signedOrder(
  { network, nodeId }: { network: string; nodeId: string },
  order: Omit<PutOrder, 'network' | 'nodeId' | 'ownerKey'>,
  ownerKey: SigningKey,
): StorageOrder {
  const named = { ...order, ownerKey: ownerKey.publicKey }
  const signed = putOrderBytes({ network, nodeId: nodeId as NodeId, ...named })
  return { ...named, signature: ownerKey.sign(PUT_DOMAIN, signed) }
}
