import { assert } from '../assert.ts'
import { utf8 } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { XcareError } from '../errors.ts'
import { SLOTS } from '../limits.ts'

/** A storage node as slots see it. */
export interface WeightedNode {
  nodeId: string
  /** Share of the slots it is to hold, in any unit: a whole number from 1 to 2^32 - 1. */
  weight: number
}

/** The table of the epoch before, and the node ids its numbers stand for. */
export interface PreviousSlots {
  nodeIds: readonly string[]
  table: Uint16Array
}

const SCORE_LABEL = utf8('xcare/slot/v1\0')
const WEIGHT_MAX = 0xffffffff
const NO_NODE = -1

/**
 * The slot table of a cell. Integers only, so that every machine computes the same. Each node holds its
 * quota exactly; a slot leaves its node only when quotas force it. Source: docs/spec/placement.md.
 * @param nodes sorted by node id (UTF-16 code units), without doubles, at most 16,384.
 * @returns per slot the index in `nodes`.
 * @throws XcareError TOO_FEW_NODES without nodes; MALFORMED on unsorted nodes, a wrong weight or table.
 */
export function assignSlots(nodes: readonly WeightedNode[], previous: PreviousSlots | null): Uint16Array {
  checkNodes(nodes)
  const keys = nodes.map(({ nodeId }) => scoreKey(nodeId))
  const open = slotQuotas(nodes.map(({ weight }) => weight))
  const owners = previous ? inheritedOwners(nodes, previous) : new Int32Array(SLOTS).fill(NO_NODE)
  releaseSurplus(owners, open, keys)
  fillFree(owners, open, keys)
  return Uint16Array.from(owners)
}

/** @returns per node its number of slots: 16,384 shared out by weight, largest remainders first, then lower index. */
export function slotQuotas(weights: readonly number[]): Int32Array {
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const quotas = Int32Array.from(weights, (weight) => Math.floor((SLOTS * weight) / total))
  // all products stay below 2^46 and are exact
  const remainders = weights.map((weight) => (SLOTS * weight) % total)
  const left = SLOTS - quotas.reduce((sum, quota) => sum + quota, 0)
  const order = remainders.map((_, node) => node).sort((a, b) => remainders[b] - remainders[a] || a - b)
  for (const node of order.slice(0, left)) quotas[node]++
  return quotas
}

function checkNodes(nodes: readonly WeightedNode[]): void {
  if (nodes.length === 0)
    throw new XcareError('TOO_FEW_NODES', 'a slot table needs at least one storage node, there is none')
  if (nodes.length > SLOTS) throw new XcareError('MALFORMED', `a slot table serves at most ${SLOTS} nodes`)
  nodes.forEach(({ nodeId, weight }, at) => {
    if (at > 0 && nodes[at - 1].nodeId >= nodeId)
      throw new XcareError('MALFORMED', 'nodes of a slot table must be sorted by id, each once')
    if (!Number.isInteger(weight) || weight < 1 || weight > WEIGHT_MAX)
      throw new XcareError('MALFORMED', `the weight of node ${nodeId} is ${weight}`)
  })
}

/** Two 32-bit numbers per node that all its scores come from. */
interface ScoreKey {
  first: number
  second: number
}

function scoreKey(nodeId: string): ScoreKey {
  const digest = sha256(SCORE_LABEL, utf8(nodeId))
  const view = new DataView(digest.buffer, digest.byteOffset)
  return { first: view.getUint32(0, true), second: view.getUint32(4, true) }
}

/** How much a node wants a slot: 32 bits, unsigned. */
function score({ first, second }: ScoreKey, slot: number): number {
  return mix(mix(first + Math.imul(slot, 0x9e3779b1)) ^ second) >>> 0
}

/** A bijection of 32 bits in which every input bit moves every output bit: the finaliser of MurmurHash3. */
function mix(value: number): number {
  let h = value
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/** Slots whose node is still there stay with it for now. */
function inheritedOwners(nodes: readonly WeightedNode[], { nodeIds, table }: PreviousSlots): Int32Array {
  if (table.length !== SLOTS)
    throw new XcareError('MALFORMED', `a slot table has ${SLOTS} slots, not ${table.length}`)
  const index = new Map(nodes.map(({ nodeId }, at) => [nodeId, at]))
  const now = nodeIds.map((nodeId) => index.get(nodeId) ?? NO_NODE)
  return Int32Array.from(table, (owner) => {
    if (owner >= now.length)
      throw new XcareError('MALFORMED', `the slot table names node ${owner} of ${now.length}`)
    return now[owner]
  })
}

/** Frees what a node holds above its quota, lowest score first; turns `open` into what each may still take. */
function releaseSurplus(owners: Int32Array, open: Int32Array, keys: readonly ScoreKey[]): void {
  const held: number[][] = keys.map(() => [])
  owners.forEach((node, slot) => {
    if (node !== NO_NODE) held[node].push(slot)
  })
  held.forEach((slots, node) => {
    const surplus = slots.length - open[node]
    if (surplus > 0) {
      const wish = new Map(slots.map((slot) => [slot, score(keys[node], slot)]))
      slots.sort((a, b) => wish.get(a)! - wish.get(b)! || a - b)
      for (const slot of slots.slice(0, surplus)) owners[slot] = NO_NODE
    }
    open[node] = Math.max(0, -surplus)
  })
}

/** Gives each free slot to the node with the highest score among those below quota. */
function fillFree(owners: Int32Array, open: Int32Array, keys: readonly ScoreKey[]): void {
  const wanting = keys.map((key, node) => ({ key, node })).filter(({ node }) => open[node] > 0)
  for (let turn = 0; turn < SLOTS; turn++) {
    const slot = reversed(turn)
    if (owners[slot] !== NO_NODE) continue
    let best = NO_NODE
    let bestScore = -1
    for (let at = 0; at < wanting.length; at++) {
      const wish = score(wanting[at].key, slot)
      if (wish > bestScore) {
        best = at
        bestScore = wish
      }
    }
    assert(best !== NO_NODE, 'quotas add up to the number of slots')
    const { node } = wanting[best]
    owners[slot] = node
    if (--open[node] === 0) wanting.splice(best, 1)
  }
}

/** The 14 bits of `turn` back to front: nodes of small quota, served first, spread over the whole table. */
function reversed(turn: number): number {
  let slot = 0
  for (let bit = 1; bit < SLOTS; bit *= 2) slot = slot * 2 + ((turn & bit) === 0 ? 0 : 1)
  return slot
}
