import { basename } from 'node:path'
import { equalBytes, toHex } from '../bytes.ts'
import { startSha256 } from '../crypto/hash.ts'
import { asXcareError, XcareError } from '../errors.ts'
import { PROFILES } from '../fragment/profile.ts'
import { objectIdToBytes } from '../ids.ts'
import { openRecord } from '../light-node/get-record.ts'
import { revokeGrant } from '../light-node/guardians/grant.ts'
import { fetchNotices } from '../light-node/guardians/notices.ts'
import { registerIdentity } from '../light-node/identity.ts'
import { locateObject } from '../light-node/locate.ts'
import { putRecord, type RecordSource, type StoredRecord } from '../light-node/put-record.ts'
import { systemClock } from '../sdk/clock.ts'
import type { NetworkFile, NetworkFolder } from '../sdk/network/network-folder.ts'
import { rolesOf } from '../sdk/network/parts.ts'
import { type LightNode, openLightNode } from '../sdk/open-light-node.ts'
import { runningRole } from '../sdk/roles/life.ts'
import { killProcess, type Launch, type Role } from '../sdk/roles/processes.ts'
import { keptWallet } from '../sdk/wallet.ts'
import { noticeEvents } from './commands/notices.ts'
import { factsOf } from './commands/put.ts'
import type { Output } from './output.ts'
import { giveGrant } from './permissions/grant.ts'
import { sizeOf } from './sentences.ts'

/**
 * Whose records the story puts: those of the new network's owner; on a network that keeps records, those of
 * somebody made up.
 */
const OWNER = { new: 'owner', kept: 'story-owner' }
const READER = { new: 'clinic', kept: 'story-clinic' }
const GRANT_MS = 24 * 3600 * 1000
/** A revocation holds within block time and this; guardians that were cut off meanwhile included. */
const REVOKED_WITHIN_MS = 35_000
const RETRY_MS = 500

/** What the story is played on. */
export interface Stage {
  folder: NetworkFolder
  network: NetworkFile
  sources: RecordSource[]
  out: Output
  launch: Launch
  /** Whether the lost nodes are started again: not when everything ends with the story. */
  stays: boolean
  /** Whether the network was made just now. */
  isNew: boolean
}

interface Kept {
  stored: StoredRecord
  hash: Uint8Array
}

/**
 * Plays the story: put, where the fragments lie, read back, six storage nodes lost, read back, a permission given, used,
 * taken back and refused, the notices. @returns its result. @throws XcareError when any step does not come out as it must.
 */
export async function playStory(stage: Stage): Promise<Record<string, unknown>> {
  const { out, launch } = stage
  const which = stage.isNew ? 'new' : 'kept'
  const owner = await openAs(stage, OWNER[which])
  const reader = await openAs(stage, READER[which])
  const lost: Role[] = []
  const bringBack = async () => {
    const roles = lost.splice(0)
    if (stage.stays) await Promise.all(roles.map((role) => launch.start(role)))
  }
  try {
    const records = await putAll(stage, owner)
    await showPlaces(stage, owner, records[0]!)
    await readAll(stage, owner, records, 'Read back')
    const count = await loseNodes(stage, records, lost)
    await readAll(stage, owner, records, `Read back without them`)
    await permission(stage, owner, reader, records[0]!)
    // The lost nodes come back while the notices are read.
    await Promise.all([showNotices(stage, owner), bringBack()])
    const bytes = records.reduce((sum, { stored }) => sum + stored.bytes, 0)
    out.event({ type: 'step', text: 'What was lost' })
    out.event({
      type: 'fact',
      text: `Nothing: 0 of ${sizeOf(bytes)}. ${stage.stays ? `The ${count} storage nodes are back.` : `The ${count} storage nodes come back with the next start.`}`,
    })
    showNextSteps(stage)
    return {
      objects: records.map(({ stored }) => factsOf(stored)),
      ...{
        killed: count,
        lostBytes: 0,
        readAfterLoss: true,
        grantedRead: true,
        refusedAfterRevoke: true,
      },
    }
  } finally {
    // Also when the story breaks off: it leaves no node lost.
    await Promise.allSettled([bringBack(), owner.close(), reader.close()])
  }
}

async function openAs({ folder, network, out }: Stage, name: string): Promise<LightNode> {
  const path = folder.wallet(name)
  const wallet = await keptWallet(path, network)
  const node = await openLightNode({ network, wallet, cache: `${path}/cache`, progress: out.event })
  const { did, inception, keys } = wallet
  await registerIdentity(node.ports, { did, inception, signing: keys.signing })
  return node
}

async function putAll({ out, sources }: Stage, { ports }: LightNode): Promise<Kept[]> {
  out.event({
    type: 'step',
    text: `Store ${sources.length === 1 ? 'a record' : `${sources.length} records`}`,
  })
  const kept: Kept[] = []
  for (const source of sources) {
    const stored = await putRecord(ports, source, PROFILES.grid)
    out.event({ type: 'stored', ...factsOf(stored) })
    kept.push({ stored, hash: await hashOf(source.read(0, source.length)) })
  }
  return kept
}

async function showPlaces({ folder, out }: Stage, { ports }: LightNode, { stored }: Kept): Promise<void> {
  const { holders, record } = await locateObject(ports.ledger, stored.objectId)
  const names = await namesOf(folder)
  out.event({ type: 'step', text: `Where ${stored.name} lies` })
  out.event({
    type: 'places',
    objectId: stored.objectId,
    k: record.k,
    n: record.n,
    columns: holders.map((holder, column) => ({ column, nodeId: holder?.nodeId ?? null })),
  })
  const places = holders.map(
    (holder, column) => `${column} on ${(holder && names.get(holder.nodeId)) ?? 'none'}`,
  )
  out.event({ type: 'fact', text: `columns: ${places.join(', ')}` })
  out.event({
    type: 'fact',
    text: `any ${record.k} of these ${record.n} give it back; ${record.k - 1} tell nothing, even with the key`,
  })
}

async function namesOf(folder: NetworkFolder): Promise<Map<string, string>> {
  const names = new Map<string, string>()
  for (const role of (await rolesOf(folder)).filter(({ kind }) => kind === 'node')) {
    const run = await runningRole(role.folder)
    if (typeof run?.ready.nodeId === 'string') names.set(run.ready.nodeId, `node ${basename(role.folder)}`)
  }
  return names
}

async function readAll({ out }: Stage, node: LightNode, records: Kept[], title: string): Promise<void> {
  out.event({ type: 'step', text: title })
  for (const record of records) await readOne(out, node, record)
}

async function readOne(
  out: Output,
  { ports, custodyKeyOf }: LightNode,
  { stored, hash }: Kept,
): Promise<void> {
  const start = performance.now()
  const { content } = await openRecord(ports, stored.objectId, custodyKeyOf)
  if (!equalBytes(await hashOf(content), hash))
    throw new XcareError('INTEGRITY', `${stored.name} came back with other bytes than were stored`)
  const ms = Math.round(performance.now() - start)
  out.event({ type: 'read-back', objectId: stored.objectId, sha256: toHex(hash), ms })
  out.event({
    type: 'fact',
    text: `${stored.name}: ${sizeOf(stored.bytes)}, byte for byte the same (${ms} ms)`,
  })
}

async function hashOf(content: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const hash = startSha256()
  for await (const piece of content) hash.update(piece)
  return hash.digest()
}

/** Loses as many storage nodes as may be lost, no more, and adds them to `lost`. @returns how many. */
async function loseNodes({ folder, out }: Stage, records: Kept[], lost: Role[]): Promise<number> {
  const nodes = (await rolesOf(folder)).filter(({ kind }) => kind === 'node')
  const { k } = PROFILES.grid
  const count = Math.max(
    0,
    Math.min(...records.map(({ stored }) => Number(factsOf(stored).columns)), nodes.length) - k,
  )
  const victims = nodes.slice(0, count)
  lost.push(...victims)
  out.event({ type: 'step', text: `Lose ${count} of ${nodes.length} storage nodes (SIGKILL)` })
  const pids = await Promise.all(victims.map(killProcess))
  out.event({ type: 'killed', nodes: victims.map(({ folder: path }) => basename(path)), pids })
  out.event({
    type: 'fact',
    text: `gone: ${victims.map(({ folder: path }) => `node ${basename(path)}`).join(', ')}`,
  })
  return count
}

async function permission(stage: Stage, owner: LightNode, reader: LightNode, record: Kept): Promise<void> {
  const { out } = stage
  const { objectId, name } = record.stored
  const who = READER[stage.isNew ? 'new' : 'kept']
  out.event({ type: 'step', text: `Let "${who}" read ${name}` })
  await mustRefuse(reader, record, 'before any permission')
  out.event({ type: 'fact', text: 'without a permission: refused' })
  const ids = [objectIdToBytes(objectId)]
  const untilMs = systemClock.nowMs() + GRANT_MS
  const given = await giveGrant(owner, {
    did: reader.wallet.did,
    name: who,
    ids,
    purpose: 'TREAT',
    untilMs,
  })
  const { grantId } = given.held.grant
  out.event({ type: 'granted', grantId: toHex(grantId), to: reader.wallet.did, objectId })
  out.event({ type: 'fact', text: 'permission given, for treatment, for one day' })
  await readOne(out, reader, record)
  out.event({ type: 'step', text: 'Take the permission back' })
  await revokeGrant(owner.ports, grantId)
  const refusal = await untilRefused(reader, record)
  out.event({ type: 'refused', grantId: toHex(grantId), code: refusal.code, message: refusal.message })
  out.event({ type: 'fact', text: `"${who}" asks again: ${refusal.message}` })
}

async function tryRead({ ports, custodyKeyOf }: LightNode, { stored }: Kept): Promise<XcareError | null> {
  try {
    const { content } = await openRecord(ports, stored.objectId, custodyKeyOf)
    await hashOf(content)
    return null
  } catch (error) {
    return asXcareError(error)
  }
}

async function mustRefuse(reader: LightNode, record: Kept, when: string): Promise<void> {
  const refusal = await tryRead(reader, record)
  if (refusal?.code === 'NO_GRANT') return
  throw refusal ?? new XcareError('INTEGRITY', `${record.stored.name} could be read ${when}`)
}

async function untilRefused(reader: LightNode, record: Kept): Promise<XcareError> {
  const until = systemClock.nowMs() + REVOKED_WITHIN_MS
  for (;;) {
    const refusal = await tryRead(reader, record)
    if (refusal?.code === 'NO_GRANT') return refusal
    if (systemClock.nowMs() > until)
      throw (
        refusal ??
        new XcareError('INTEGRITY', 'the record can still be read after its permission was taken back')
      )
    await systemClock.sleep(RETRY_MS)
  }
}

async function showNotices({ out }: Stage, { ports, wallet }: LightNode): Promise<void> {
  out.event({ type: 'step', text: 'What the owner is told' })
  for (const { text, ...notice } of noticeEvents(await fetchNotices(ports, wallet.vault))) {
    out.event({ ...notice, text: `  ${text}` })
  }
}

function showNextSteps({ out, stays }: Stage): void {
  out.event({ type: 'step', text: 'Where to go next' })
  for (const text of [
    ...(stays ? [] : ['bring the network up again, with all it keeps: `npx xcare up`']),
    'store a file of yours: `npx xcare put FILE`',
    'your records: `npx xcare ls`',
    'what runs here: `npx xcare status`',
    'all commands: `npx xcare help`',
  ])
    out.event({ type: 'fact', text })
}
