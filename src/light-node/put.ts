import type { GuardianValue, NodeValue } from '../chain-anchor/app/values.ts'
import { sendMessages } from '../chain-anchor/light/submit-messages.ts'
import type { SigningKey } from '../crypto/sign.ts'
import { deal } from '../custody/deal.ts'
import { asXcareError, XcareError } from '../errors.ts'
import { fragmentBytesOf, layoutOf } from '../fragment/layout.ts'
import { buildManifest, type SealedManifest, verifyManifest } from '../fragment/manifest.ts'
import { type Durability, durability, type Profile } from '../fragment/profile.ts'
import type { StripeFragments } from '../fragment/writer.ts'
import { type ObjectId, objectIdFromBytes } from '../ids.ts'
import { CREDIT_BYTES_MAX } from '../limits.ts'
import type { Ledger, Random, SentTx } from '../ports.ts'
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

/** What a put needs of the world. */
export interface PutPorts extends UploadPorts, DepositPorts {
  network: string
  ledger: Ledger
  coder: Coder
  random: Random
  /** A name for a new object, 32 bytes, and the one-time key that owns it. */
  newObject(): { objectId: Uint8Array; ownerKey: SigningKey }
}

/** What is to be put: `length` bytes that `read` yields in order, and the private part of the manifest. */
export interface PutSource {
  /** Plaintext bytes of this object. */
  length: number
  /** @param objectId 32 bytes, the object's own. */
  sealed(objectId: Uint8Array): SealedManifest
  read(): AsyncIterable<Uint8Array>
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

/**
 * Stores one object. The steps, in order: plan, seal and send stripe by stripe, manifest, anchor, deposit of the
 * custody shares. When it resolves, nothing of it depends on this machine any more. Source: docs/life-of-a-put.md.
 * @throws XcareError TOO_FEW_NODES, TOO_FEW_GUARDIANS, NO_SPACE, OFFLINE, REFUSED
 */
export async function putObject(ports: PutPorts, source: PutSource, profile: Profile): Promise<PutObject> {
  const plan = await planPut(ports, profile)
  const layout = layoutOf(source.length, profile.k, profile.n, profile.shardBytes)
  const isSmall = burstShare(plan, profile.n * fragmentBytesOf(layout)) * layout.stripes <= UNASKED_BYTES
  // The nodes are reached while the first stripes are sealed.
  const opening = NodeUploads.open(ports, profile, targetsOf(ports, plan, layout), isSmall)
  // It may fail before it is awaited.
  opening.catch(() => {})
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
    return await anchor(ports, plan, hash, [...columns, ...late])
  } catch (error) {
    opening.then(
      (uploads) => uploads.abort(asXcareError(error)),
      () => {},
    )
    throw error
  } finally {
    if (sealing) void endSealing(sealing, opening)
  }
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
    ports.progress({ type: 'put-progress', bytes, of: source.length })
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
  plan: Plan,
  manifestHash: Uint8Array,
  columns: number[],
): Promise<PutObject> {
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
 * Brings the guardians their shares as soon as an endpoint names a block: each of them looks for itself. Done once the block's
 * effect is proven here as well; what was refused because the word was wrong is brought again then.
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
