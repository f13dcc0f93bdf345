import { equalBytes } from '../bytes.ts'
import { nodeKey } from '../chain-anchor/app/keys.ts'
import { type NodeValue, nodeValue } from '../chain-anchor/app/values.ts'
import { submitMessages } from '../chain-anchor/light/submit-messages.ts'
import type { SigningKey } from '../crypto/sign.ts'
import { HEADER_AGE_MS_MAX } from '../limits.ts'
import type { Ledger, Random } from '../ports.ts'

/** What the chain is to know about a node, and who signs for it. */
export interface Registration {
  node: Omit<NodeValue, 'status'>
  /** Key of the institution that answers for the node, and the node's own. */
  signers: [institution: SigningKey, node: SigningKey]
}

/**
 * Registers a node as it is now, when the chain lists it otherwise or not at all. A node that was drained or retired stays so.
 * @returns whether a transaction was needed. @throws XcareError REFUSED with the chain's reason, OFFLINE, TIMEOUT.
 */
export async function registerNode(
  ledger: Ledger,
  random: Random,
  registration: Registration,
): Promise<boolean> {
  const { node, signers } = registration
  const { value } = await ledger.read(nodeKey(node.nodeId), HEADER_AGE_MS_MAX)
  const listed = value === null ? null : nodeValue.decode(value)
  if (listed && (listed.status !== 'active' || isSame(listed, node))) return false
  await submitMessages({ ledger, random }, [{ type: 'node.register', ...node }], signers)
  return true
}

function isSame(listed: NodeValue, node: Registration['node']): boolean {
  const { instId, capacityBytes, network, region, availabilityPpm } = listed
  return (
    instId === node.instId &&
    capacityBytes === node.capacityBytes &&
    network === node.network &&
    region === node.region &&
    availabilityPpm === node.availabilityPpm &&
    equalBytes(listed.signKey, node.signKey) &&
    listed.addresses.join() === node.addresses.join()
  )
}
