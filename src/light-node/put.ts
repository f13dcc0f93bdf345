import type { GuardianValue, NodeValue } from '../chain-anchor/app/values.ts'
import { sendMessages } from '../chain-anchor/light/submit-messages.ts'
import type { SigningKey } from '../crypto/sign.ts'
import { deal } from '../custody/deal.ts'
import { asXcareError, XcareError } from '../errors.ts'
import { fragmentBytesOf, type Layout, layoutOf } from '../fragment/layout.ts'
import { buildManifest, type SealedManifest, verifyManifest } from '../fragment/manifest.ts'
import { type Durability, durability, type Profile } from '../fragment/profile.ts'
import type { StripeFragments } from '../fragment/writer.ts'
import { type ObjectId, objectIdFromBytes } from '../ids.ts'
import { CREDIT_BYTES_MAX } from '../limits.ts'
import type { Random, SentTx } from '../ports.ts'
import type { MessageOf } from '../wire/fragment-protocol.ts'
import type { Coder, SealStream } from './coder.ts'
import type { KeptObject } from './columns/anchored-manifest.ts'
import { storeLateColumns } from './columns/late-columns.ts'
import { NodeUploads, type UploadPorts, type UploadTarget } from './columns/node-uploads.ts'
import { type Dealt, type Deposited, type DepositPorts, depositShares } from './guardians/deposit.ts'
import { planColumns } from './locate.ts'
import { addressOf, type NetworkView, readNetworkView } from './network-view.ts'
import { signedOrder } from './storage-orders.ts'
import { checkReceipt } from './storage-receipts.ts'
import { dropObject } from './unfinished/drop-object.ts'
import { type JournalPorts, noteLeftover, type ObjectNotes } from './unfinished/journal.ts'

/** What a put needs of the world. */
export interface PutPorts extends UploadPorts, DepositPorts, JournalPorts {
  coder: Coder
  /** A name for a new object, 32 bytes, and the one-time key that owns it. */
  newObject(): { objectId: Uint8Array; ownerKey: SigningKey }
  /** Ends puts under way: what they sent is removed again. */
  signal?: AbortSignal
}

/** What is to be put: `length` bytes that `read` yields in order, and the private part of the manifest. */
export interface PutSource {
  /** Plaintext bytes of this object. */
  length: number
  /** @param objectId 32 bytes, the object's own. */
  sealed(objectId: Uint8Array): SealedManifest
  read(): AsyncIterable<Uint8Array>
  /** Where it is in the record that is put: its name, bytes before it, and of all. */
  place: { name: string; before: number; of: number }
}

/** An object that is stored: durable on its nodes, anchored, its key in custody. */
export interface PutObject {
  objectId: ObjectId
  version: number
  custodyKey: Uint8Array
  /** Columns on disk, of all columns, and what that is worth. */
  columns: number
  columnsOf: number
  durability: Durability
  /** Guardians that hold a share, of all guardians of the object. */
  custodians: number
  custodiansOf: number
}

interface Plan {
  view: NetworkView
  profile: Profile
  objectId: Uint8Array
  ownerKey: SigningKey
  custodyKey: Uint8Array
  guardians: GuardianValue[]
  keepers: NodeValue[]
}

const FIRST_VERSION = 1
/**
 * Stripes are sent in bursts that bring about so much to each node: waking all nodes for every stripe costs more than the
 * bytes do. Two bursts fit the credit.
 */
const BURST_BYTES = CREDIT_BYTES_MAX / 2
/** Up to so much for one node is sent along with its order: a refusal after it costs less than asking every node first. */
const UNASKED_BYTES = 64 * 1024
const FIRST_CUSTODY_EPOCH = 1

/** How far a put has come, for whoever must undo it. */
interface Begun {
  plan: Plan
  opening: Promise<NodeUploads>
  uploads: NodeUploads | null
  notes: ObjectNotes | null
  /** Whether the transaction may be on its way. */
  isSent: boolean
  begunMs: number
}

/**
 * Stores one object. The steps, in order: plan, seal and send stripe by stripe, manifest, anchor, deposit of the
 * custody shares. When it resolves, nothing of it depends on this machine any more. When it fails, what it
 * sent is removed again, or noted for the next time. Source: docs/life-of-a-put.md.
 * @param notes takes note of each step, and then of removing it as well; without them it is removed here.
 * @throws XcareError TOO_FEW_NODES, TOO_FEW_GUARDIANS, NO_SPACE, QUOTA_FULL, OFFLINE, REFUSED, INTERRUPTED
 */
export async function putObject(
  ports: PutPorts,
  source: PutSource,
  profile: Profile,
  notes: ObjectNotes | null = null,
): Promise<PutObject> {
  const plan = await planPut(ports, profile)
  const { objectId, custodyKey, keepers } = plan
  const nodes = [...new Set(keepers.map(({ nodeId }) => nodeId))]
  await notes?.begun({ objectId, version: FIRST_VERSION, custodyKey, nodes })
  const layout = layoutOf(source.length, profile.k, profile.n, profile.shardBytes)
  const isSmall = burstShare(plan, profile.n * fragmentBytesOf(layout)) * layout.stripes <= UNASKED_BYTES
  // The nodes are reached while the first stripes are sealed.
  const opening = NodeUploads.open(ports, profile, targetsOf(ports, plan, layout), isSmall)
  const begun: Begun = {
    ...{ plan, opening, notes, uploads: null, isSent: false },
    begunMs: ports.clock.nowMs(),
  }
  opening.then(
    (uploads) => {
      begun.uploads = uploads
    },
    // It may fail before it is awaited.
    () => {},
  )
  const interrupt = interruption(ports.signal)
  try {
    const stored = storeAll(ports, source, layout, begun)
    // An interrupted one ends by itself once its streams are torn down.
    stored.catch(() => {})
    return await Promise.race([stored, interrupt.promise])
  } catch (error) {
    const known = asXcareError(error)
    opening.then(
      (uploads) => uploads.abort(known),
      () => {},
    )
    throw notes ? known : await undo(ports, begun, source.place.name, known)
  } finally {
    interrupt.over()
  }
}

/** @returns a promise that only ever rejects, once `signal` says so. */
function interruption(signal: AbortSignal | undefined): { promise: Promise<never>; over(): void } {
  const { promise, reject } = Promise.withResolvers<never>()
  promise.catch(() => {})
  const end = () => reject(new XcareError('INTERRUPTED', 'the put was interrupted'))
  if (signal?.aborted) end()
  signal?.addEventListener('abort', end)
  return { promise, over: () => signal?.removeEventListener('abort', end) }
}

async function storeAll(
  ports: PutPorts,
  source: PutSource,
  layout: Layout,
  begun: Begun,
): Promise<PutObject> {
  const { plan, opening } = begun
  let sealing: SealStream | null = null
  try {
    const { objectId, ownerKey, custodyKey } = plan
    const named = { objectId, version: FIRST_VERSION, ownerKey: ownerKey.publicKey }
    sealing = await ports.coder.seal({ ...named, custodyKey, layout, length: source.length })
    const bytes = await sendAll(ports, plan, source, sealing, opening)
    const uploads = await opening
    const { manifest, hash } = verifyManifest(bytes, ports.network)
    const check = (columns: readonly number[], receipt: MessageOf<'RECEIPT'>) =>
      checkReceipt(receipt, manifest, columns, plan.keepers[columns[0]!]!)
    const columns = await uploads.finish(bytes, check)
    const late = await storeLateColumns(
      { ...ports, directory: null },
      {
        ...{ manifest, manifestBytes: bytes, dropped: uploads.dropped, check },
        kept: keptObject(plan, hash, columns),
      },
    )
    return await anchor(ports, begun, hash, [...columns, ...late])
  } finally {
    if (sealing) void endSealing(sealing, opening)
  }
}

/** Removes what a failed put sent. @returns the error that tells what became of it. */
async function undo(ports: PutPorts, begun: Begun, name: string, error: XcareError): Promise<XcareError> {
  const { plan, uploads, isSent, begunMs } = begun
  const nodes = uploads?.sentTo.map(({ peer }) => peer.nodeId as string) ?? []
  if (nodes.length === 0) return error
  const { objectId, custodyKey } = plan
  const sent = { offset: 0, bytes: 0, objectId, version: FIRST_VERSION, custodyKey, begunMs, stored: null }
  const left = await dropObject(ports, { ...sent, nodes, isSent })
  if (!left) return withNext(error, 'nothing of it is left behind')
  const isNoted = await noteLeftover(ports, left, name).catch(() => false)
  const who = left.nodes.length > 0 ? `${left.nodes.length} storage nodes` : 'the network'
  return withNext(
    error,
    `${who} could not be told yet to drop what was sent${isNoted ? ', the next command of this wallet sees to it' : ''}`,
  )
}

function withNext(error: XcareError, told: string): XcareError {
  const next = error.next ? `${error.next}; ${told}` : told
  return new XcareError(error.code, error.message, { cause: error, next })
}

/** Lets the memory of all stripes go once no stream reads from it: what is written there next is for other nodes' eyes. */
async function endSealing(sealing: SealStream, opening: Promise<NodeUploads>): Promise<void> {
  const uploads = await opening.catch(() => null)
  await uploads?.flushed()
  sealing.close()
}

async function planPut(ports: PutPorts, profile: Profile): Promise<Plan> {
  const view = await readNetworkView(ports.ledger, null)
  const { objectId, ownerKey } = ports.newObject()
  const guardians = chooseGuardians(view.guardians, profile, ports.random)
  const guardianIds = guardians.map(({ guardianId }) => guardianId)
  const keeperIds = planColumns(view, objectId, profile.k, profile.n, guardianIds)
  const byId = new Map(view.nodes.map((node) => [node.nodeId, node]))
  const keepers = keeperIds.map((nodeId) => byId.get(nodeId)!)
  // With all of them it must be enough, or sending is in vain.
  requireDurability(profile, keepers)
  return {
    view,
    profile,
    objectId,
    ownerKey,
    custodyKey: ports.random.bytes(32),
    guardians,
    keepers,
  }
}

/** One seat per institution; which of many is left to chance, so that no guardian sees every object. */
function chooseGuardians(all: GuardianValue[], profile: Profile, random: Random): GuardianValue[] {
  const order = all
    .filter(({ status }) => status === 'active')
    .map((guardian) => ({ guardian, draw: new DataView(random.bytes(4).buffer).getUint32(0) }))
    .sort((a, b) => a.draw - b.draw)
  const chosen = new Map<string, GuardianValue>()
  for (const { guardian } of order)
    if (chosen.size < profile.m && !chosen.has(guardian.instId)) chosen.set(guardian.instId, guardian)
  if (chosen.size < profile.m)
    throw new XcareError(
      'TOO_FEW_GUARDIANS',
      `this profile needs ${profile.m} guardians, the network has ${chosen.size}`,
      {
        next: 'choose another profile with --profile, or add guardians',
      },
    )
  return [...chosen.values()]
}

/** One target a node, with all its columns. */
function targetsOf(
  ports: PutPorts,
  plan: Plan,
  { shardBytes, stripes }: { shardBytes: number; stripes: number },
): UploadTarget[] {
  const { objectId, ownerKey, profile } = plan
  const byNode = new Map<NodeValue, number[]>()
  for (const [column, keeper] of plan.keepers.entries()) {
    const columns = byNode.get(keeper)
    if (columns) columns.push(column)
    else byNode.set(keeper, [column])
  }
  return [...byNode].map(([keeper, columns]) => {
    const layout = { k: profile.k, n: profile.n, shardBytes, stripes }
    const order = { objectId, version: FIRST_VERSION, columns, ...layout }
    const place = { network: ports.network, nodeId: keeper.nodeId }
    return { peer: addressOf(keeper), columns, signOrder: () => signedOrder(place, order, ownerKey) }
  })
}

function keptObject(
  { objectId, profile, keepers }: Plan,
  manifestHash: Uint8Array,
  columns: number[],
): KeptObject {
  const { k, n } = profile
  const stored = new Set(columns)
  return {
    objectId: objectIdFromBytes(objectId),
    record: { objectId, k, n, manifestHash },
    holders: keepers.map((keeper, column) => (stored.has(column) ? addressOf(keeper) : null)),
  }
}

async function sendAll(
  ports: PutPorts,
  plan: Plan,
  source: PutSource,
  sealing: SealStream,
  opening: Promise<NodeUploads>,
): Promise<Uint8Array> {
  const objectId = objectIdFromBytes(plan.objectId)
  let bytes = 0
  let burst: StripeFragments[] = []
  const flush = async () => {
    const uploads = await opening
    for (const buffer of await uploads.send(burst)) sealing.recycle(buffer)
    burst = []
  }
  const take = async (stripes: StripeFragments[]) => {
    for (const stripe of stripes) {
      burst.push(stripe)
      if ((burst.length + 1) * burstShare(plan, stripe.bytes.length) > BURST_BYTES) await flush()
    }
  }
  // The next piece is sealed while the last one is sent.
  let ahead: Promise<StripeFragments[]> = Promise.resolve([])
  for await (const plain of source.read()) {
    const stripes = await ahead
    // A thread may take the buffer along and leave it empty here.
    bytes += plain.length
    ahead = sealing.write(plain)
    // It is awaited a turn later; until then its failure must not count as unhandled.
    ahead.catch(() => {})
    await take(stripes)
    const { name, before, of } = source.place
    ports.progress({ type: 'put-progress', name, objectId, bytes: before + bytes, of })
  }
  await take(await ahead)
  const { stripes, written, sealed } = await sealing.finish(source.sealed(plan.objectId))
  await take(stripes)
  if (burst.length > 0) await flush()
  return buildManifest(
    written,
    { network: ports.network, custodyEpoch: FIRST_CUSTODY_EPOCH, sealed },
    plan.ownerKey,
  )
}

/** @returns bytes that one stripe of `stripeBytes` brings to the node with the most columns, about. */
function burstShare({ keepers, profile }: Plan, stripeBytes: number): number {
  return (stripeBytes / profile.n) * Math.ceil(profile.n / new Set(keepers).size)
}

async function anchor(
  ports: PutPorts,
  begun: Begun,
  manifestHash: Uint8Array,
  columns: number[],
): Promise<PutObject> {
  const { plan, notes } = begun
  const { objectId, profile, ownerKey, custodyKey, view, guardians } = plan
  const worth = requireDurability(
    profile,
    columns.map((column) => plan.keepers[column]!),
  )
  const place = { objectId, version: FIRST_VERSION, epoch: FIRST_CUSTODY_EPOCH }
  const dealt = await deal(
    {
      ...place,
      custodyKey,
      t: profile.t,
      guardians: guardians.map(({ guardianId }) => guardianId),
      ownerKey: ownerKey.publicKey,
    },
    ports.random,
  )
  const record = {
    type: 'record.anchor' as const,
    ...{ objectId, version: FIRST_VERSION, ownerKey: ownerKey.publicKey, k: profile.k, n: profile.n },
    ...{ manifestHash, epoch: view.epoch.epoch },
    ...{ columns: bitmapOf(columns, profile.n), moved: [] },
  }
  await notes?.sent()
  begun.isSent = true
  const sent = sendMessages(ports, [record, { type: 'custody.record', ...dealt.terms }], [ownerKey])
  const deposited = await depositProven(ports, dealt, guardians, ownerKey, sent)
  const { holding: custodians, spare, problems } = deposited
  for (const { guardianId, error } of problems)
    ports.progress({
      type: 'guardian-refused',
      guardian: guardianId,
      code: error.code,
      message: error.message,
    })
  if (!spare)
    ports.progress({
      type: 'warning',
      text: `only ${custodians} guardians hold a key share and ${profile.t} must agree: no other may be away when somebody reads under a permission`,
    })
  return {
    objectId: objectIdFromBytes(objectId),
    version: FIRST_VERSION,
    custodyKey,
    columns: columns.length,
    columnsOf: profile.n,
    durability: worth,
    custodians,
    custodiansOf: profile.m,
  }
}

/**
 * Brings the guardians their shares as soon as an endpoint names a block: each of them looks for itself. Done
 * once the block's effect is proven here as well; what was refused because the word was wrong is brought
 * again then.
 */
async function depositProven(
  ports: PutPorts,
  dealt: Dealt,
  guardians: GuardianValue[],
  ownerKey: SigningKey,
  sent: Promise<SentTx>,
): Promise<Deposited> {
  const bring = (height: Promise<number>) => depositShares(ports, dealt, guardians, ownerKey, height)
  const first = bring(sent.then(({ height }) => height)).then(
    (deposited) => ({ deposited, error: null }),
    (error: unknown) => ({ deposited: null, error }),
  )
  const { height, proven } = await sent
  const { height: provenHeight } = await proven
  ports.progress({ type: 'anchored', objectId: objectIdFromBytes(dealt.terms.objectId) })
  const { deposited, error } = await first
  if (deposited) return deposited
  if (provenHeight === height) throw error
  return bring(Promise.resolve(provenHeight))
}

function requireDurability(profile: Profile, keepers: NodeValue[]): Durability {
  // the columns of one node come and go together
  const columns = new Map<NodeValue, number>()
  for (const keeper of keepers) columns.set(keeper, (columns.get(keeper) ?? 0) + 1)
  const ups = Array.from(columns.keys(), ({ availabilityPpm }) => availabilityPpm / 1e6)
  const worth = durability(profile.k, ups, [...columns.values()])
  if (worth.nines >= profile.nines) return worth
  throw new XcareError(
    'TOO_FEW_NODES',
    `${keepers.length} columns on these nodes reach ${worth.nines.toFixed(1)} nines, and profile ${profile.name} promises ${profile.nines}`,
    { next: 'wait until more nodes are up, or choose another profile with --profile' },
  )
}

function bitmapOf(columns: number[], n: number): Uint8Array {
  const bitmap = new Uint8Array(Math.ceil(n / 8))
  for (const column of columns) bitmap[column >> 3]! |= 1 << (column & 7)
  return bitmap
}
