import { institutionKey } from '../../chain-anchor/app/keys.ts'
import { institutionValue, type NodeValue } from '../../chain-anchor/app/values.ts'
import { addressOf, readNetworkView } from '../../light-node/network-view.ts'
import { HEADER_AGE_MS_MAX } from '../../limits.ts'
import type { Ledger } from '../../ports.ts'
import { answers } from '../roles/elsewhere.ts'

/** Nodes asked at the same time whether they answer. */
const ASKED_AT_ONCE = 8

/**
 * A storage node of somebody else, as the chain lists it. Name and region are its institution's own words.
 */
export interface ContributedNode {
  nodeId: string
  institution: string
  region: string
  addresses: string[]
  /** Whether it answers at one of its addresses now. */
  answers: boolean
}

/** @param own peer ids of the nodes in this folder. @returns the other active nodes of the network. */
export async function contributedNodes(ledger: Ledger, own: ReadonlySet<string>): Promise<ContributedNode[]> {
  const { nodes } = await readNetworkView(ledger, null)
  const others = nodes.filter(({ nodeId }) => !own.has(nodeId))
  const found: ContributedNode[] = []
  for (let at = 0; at < others.length; at += ASKED_AT_ONCE)
    found.push(
      ...(await Promise.all(others.slice(at, at + ASKED_AT_ONCE).map((node) => asked(ledger, node)))),
    )
  return found
}

async function asked(ledger: Ledger, node: NodeValue): Promise<ContributedNode> {
  const { value } = await ledger.read(institutionKey(node.instId), HEADER_AGE_MS_MAX)
  return {
    nodeId: node.nodeId,
    institution: value === null ? node.instId : institutionValue.decode(value).name,
    region: node.region,
    addresses: node.addresses,
    answers: await answers(addressOf(node)),
  }
}
