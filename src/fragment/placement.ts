import { utf8 } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { XcareError } from '../errors.ts'
import { SLOTS } from '../limits.ts'

/** A storage node as placement sees it. */
export interface PlacedNode {
  nodeId: string
  institution: string
  network: string
  region: string
}

/** Everything that decides where the columns of an object lie. All of it is on the chain or in the manifest. */
export interface PlacementInput {
  /** 32 bytes. */
  objectId: Uint8Array
  k: number
  n: number
  /** Seed of the epoch, 32 bytes. */
  seed: Uint8Array
  /** Active nodes of the epoch, in the order its slot table counts them. */
  nodes: readonly PlacedNode[]
  /** 16,384 indexes into `nodes`. */
  table: Uint16Array
  /** Institutions that may keep none: those of the object's guardians. */
  excludeInstitutions: readonly string[]
}

/** A domain that keeps more columns than it should, because the network has too few domains of its kind. */
export interface PlacementWarning {
  domain: 'network' | 'region'
  name: string
  columns: number
  /** What it should keep at most: k - 1. */
  cap: number
}

/** Where the columns lie. */
export interface Placement {
  /** Index in `nodes` for each column. */
  columns: number[]
  warnings: PlacementWarning[]
}

const LABEL = utf8('xcare/placement/v1\0')

/**
 * Computes the node of every column: slots are walked in an order that object and epoch decide, and a node is
 * taken unless that would put too many columns into one institution, network or region.
 * Pure and integer only. Source: docs/spec/placement.md.
 * @throws XcareError TOO_FEW_NODES when the caps leave no room for n columns; MALFORMED on a wrong table.
 */
export function placeColumns(input: PlacementInput): Placement {
  const { k, n } = input
  checkInput(input)
  const domains = domainsOf(input)
  requireRoom(input, domains)
  const order = orderOf(input)
  const columns: number[] = []
  // a node takes another column only once a whole round has found no node with fewer; one that a cap keeps out stays out
  for (let waiting = order; waiting.length > 0 && columns.length < n; )
    waiting = waiting.filter((node) => {
      if (columns.length === n || !domains.every((domain) => domain.used[domain.of[node]] < domain.cap))
        return false
      for (const domain of domains) domain.used[domain.of[node]]++
      columns.push(node)
      return true
    })
  if (columns.length < n) throw tooFew(input, columns.length, 'the caps per institution, network and region')
  return { columns, warnings: domains.flatMap((domain) => warningsOf(domain, k)) }
}

/** @returns how many columns one institution keeps at most: fewer than k/3, but one is always allowed. */
export function institutionCap(k: number): number {
  return Math.max(1, Math.ceil(k / 3) - 1)
}

/** One way to sort nodes into groups that may fail or collude together. */
interface Domains {
  kind: 'institution' | 'network' | 'region'
  names: string[]
  /** Per node the index in `names`. */
  of: Uint32Array
  /** Per name the columns kept, at most `cap`. */
  used: Uint32Array
  cap: number
}

function checkInput({ objectId, seed, k, n, nodes, table }: PlacementInput): void {
  if (objectId.length !== 32 || seed.length !== 32)
    throw new XcareError('MALFORMED', 'object ids and epoch seeds have 32 bytes')
  if (!Number.isInteger(k) || !Number.isInteger(n) || k < 1 || n < k)
    throw new XcareError('MALFORMED', `there is no placement for k=${k} and n=${n}`)
  if (table.length !== SLOTS || largestOf(table) >= nodes.length)
    throw new XcareError('MALFORMED', 'the slot table does not fit the list of nodes')
}

/** A plain loop: this is done for every object, and a call for each slot costs ten times as much. */
function largestOf(table: Uint16Array): number {
  let largest = 0
  for (let slot = 0; slot < table.length; slot++) if (table[slot]! > largest) largest = table[slot]!
  return largest
}

function domainsOf({ k, n, nodes, excludeInstitutions }: PlacementInput): Domains[] {
  const excluded = new Set(excludeInstitutions)
  return (['institution', 'network', 'region'] as const).map((kind) => {
    const index = new Map<string, number>()
    const of = Uint32Array.from(nodes, (node) => {
      if (!index.has(node[kind])) index.set(node[kind], index.size)
      return index.get(node[kind])!
    })
    const names = [...index.keys()]
    const used = new Uint32Array(names.length)
    if (kind === 'institution') {
      const cap = institutionCap(k)
      // a full institution is passed over, so an excluded one starts full
      names.forEach((name, at) => {
        if (excluded.has(name)) used[at] = cap
      })
      return { kind, names, of, used, cap }
    }
    const attainable = names.length * (k - 1) >= n
    return { kind, names, of, used, cap: attainable ? k - 1 : n }
  })
}

/** Says at once, and in numbers, what is missing; the walk itself only finds out in the end. */
function requireRoom(input: PlacementInput, domains: readonly Domains[]): void {
  for (const { kind, names, used, cap } of domains) {
    if (kind !== 'institution') continue
    const room = used.reduce((sum, taken) => sum + cap - taken, 0)
    const eligible = used.filter((taken) => taken < cap).length
    if (room < input.n)
      throw tooFew(input, room, `${eligible} of ${names.length} institutions, at most ${cap} each`)
  }
}

function tooFew({ n, nodes }: PlacementInput, room: number, why: string): XcareError {
  return new XcareError(
    'TOO_FEW_NODES',
    `${n} columns need a place, the ${nodes.length} storage nodes of this network offer ${room} (${why})`,
    { next: 'choose a profile with fewer columns, or let more institutions join with storage nodes' },
  )
}

/**
 * The nodes in the order in which the walk first meets them. Start and odd step of the walk meet every slot once, in an order only
 * object and epoch decide. No round can take a node at a later slot: what kept it out at its first one still does.
 */
function orderOf({ objectId, seed, table, nodes }: PlacementInput): number[] {
  const digest = sha256(LABEL, seed, objectId)
  const view = new DataView(digest.buffer, digest.byteOffset)
  const start = view.getUint32(0, true) % SLOTS
  const step = (view.getUint32(4, true) % SLOTS) | 1
  const isMet = new Uint8Array(nodes.length)
  const order: number[] = []
  for (let turn = 0; turn < SLOTS && order.length < nodes.length; turn++) {
    const node = table[(start + turn * step) % SLOTS]
    if (!isMet[node]) order.push(node)
    isMet[node] = 1
  }
  return order
}

function warningsOf({ kind, names, used }: Domains, k: number): PlacementWarning[] {
  if (kind === 'institution') return []
  const over = names.map((name, at) => ({ domain: kind, name, columns: used[at], cap: k - 1 }))
  return over.filter(({ columns, cap }) => columns > cap)
}
