import { existsSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { asXcareError, XcareError } from '../../errors.ts'
import { readNetworkView } from '../../light-node/network-view.ts'
import type { Ledger, Progress } from '../../ports.ts'
import { systemClock } from '../clock.ts'
import { openFolder } from '../folder.ts'
import { lifeOf } from '../roles/life.ts'
import { ENDING_ORDER, Launch, type Role, stopProcess } from '../roles/processes.ts'
import { keepSigningKey } from '../roles/role-folder.ts'
import { admitInstitutions, type LocalInstitution } from './admit.ts'
import { type LocalSize, layOutAnchor, layOutPart, type PartPlan, partsOf } from './local-network.ts'
import {
  type NetworkFile,
  type NetworkFolder,
  readNetworkFileOrNull,
  writeNetworkFile,
} from './network-folder.ts'
import { networkOf, openNetworkLedger, type StartedChain } from './network-ledger.ts'
import { noteOf, type PartNote } from './part-note.ts'
import { findParts, rolesOf } from './parts.ts'
import { isRenewed, retirePredecessors, setLostVolumesAside } from './renew.ts'

const SETTLE_MS_MAX = 60_000
const SETTLE_STEP_MS = 100

/** A local network that was brought up. */
export interface BroughtUp {
  network: NetworkFile
  /** Whether this start made it. */
  isNew: boolean
  /** Whether a part of it ran before this start. */
  wasRunning: boolean
  running: Record<'node' | 'guardian', { running: number; of: number }>
  /** Parts that do not run. */
  missing: PartNote[]
  /** Parts that run but have lost something. */
  changed: PartNote[]
}

/** How to bring a network up. */
export interface BringUpOptions {
  size: LocalSize
  /**
   * Whether a network that is there gets the parts it lacks of that size; otherwise only a new one is made of
   * that size.
   */
  grows?: boolean
  progress: Progress
  launch: Launch
}

/**
 * Brings a local network up, each part a process of its own: makes it where there is none, else starts what
 * is there and does not run. A part that cannot start keeps nobody else from it. Resolves when all parts that
 * started are on the chain.
 * @throws XcareError when there is no chain: REFUSED in a folder that only knows a network of elsewhere.
 */
export async function bringUp(folder: NetworkFolder, options: BringUpOptions): Promise<BroughtUp> {
  const { progress, launch } = options
  const isNew = await requirePlace(folder)
  const wasRunning = await anyRunning(folder)
  await layOutAnchor(folder)
  if (isNew) await writeFile(firstStart(folder.root), '', { mode: 0o600 })
  const network = await startAnchorProcess(folder, launch, progress)
  const missing: PartNote[] = []
  const institutions = await layOut(folder, options, isNew, missing)
  const ledger = await openNetworkLedger(network, await openFolder(`${folder.anchor}/light`))
  const governor = await keepSigningKey(folder.anchor, 'governor')
  for (const taken of await admitInstitutions(ledger, institutions, governor))
    missing.push(takenNote(folder, taken))
  const { roles, gone, copies } = await findParts(folder)
  for (const role of isNew ? [] : gone) missing.push(noteOf(role, goneError(role)))
  for (const role of copies) missing.push(noteOf(role, copyError(role)))
  const parts = roles.filter((role) => role.kind !== 'anchor' && !missing.some(isOf(role)))
  const changed = isNew ? [] : await setLostVolumesAside(parts)
  const started = await startParts(parts, launch, progress, missing)
  await untilRegistered(ledger, started)
  await retirePredecessors(
    ledger,
    started.map(({ role }) => role),
  )
  await rm(firstStart(folder.root), { force: true })
  return {
    ...{ network, isNew, wasRunning, missing, changed },
    running: {
      node: countOf('node', started, missing),
      guardian: countOf('guardian', started, missing),
    },
  }
}

/** Brings a whole local network up. @throws XcareError also when a single part of it cannot start. */
export async function startNetwork(
  folder: NetworkFolder,
  size: LocalSize,
  progress: Progress,
  launch = new Launch(),
): Promise<NetworkFile> {
  const { network, missing } = await bringUp(folder, { size, progress, launch })
  const [first] = missing
  if (first) throw new XcareError('PARTIAL', `${first.name}: ${first.message}`)
  return network
}

/**
 * A file that stays in the folder while its network is being made: a first start that was interrupted is
 * begun again.
 */
const firstStart = (root: string) => join(root, 'first-start')

/**
 * @returns whether a network is to be made in the folder.
 * @throws XcareError REFUSED where that would displace one.
 */
async function requirePlace({ root, anchor }: NetworkFolder): Promise<boolean> {
  const hasChain = existsSync(join(anchor, 'role.json')) || existsSync(join(anchor, 'data'))
  const known = await readNetworkFileOrNull(root).catch((error: unknown) => {
    // Whoever has the chain can write down again where it is.
    if (hasChain) return null
    throw error
  })
  if (known && !hasChain)
    throw new XcareError(
      'REFUSED',
      `${root} only knows the network ${known.network}, whose chain is elsewhere: a new one here would take its place, and the wallets in this folder would belong to no network`,
      {
        next: 'start it where its chain is; for a network of your own choose another folder with --dir',
      },
    )
  const isThere = existsSync(join(root, 'network.json')) || existsSync(join(anchor, 'data'))
  return !isThere || existsSync(firstStart(root))
}

async function layOut(
  folder: NetworkFolder,
  { size, grows }: BringUpOptions,
  isNew: boolean,
  missing: PartNote[],
): Promise<LocalInstitution[]> {
  const { roles, gone } = await findParts(folder)
  const isThere = ({ kind, index }: PartPlan) => {
    const path = kind === 'node' ? folder.node(index) : folder.guardian(index)
    return roles.some((role) => role.folder === path)
  }
  const isGone = ({ kind, index }: PartPlan) =>
    gone.some(({ folder: path }) => path === (kind === 'node' ? folder.node(index) : folder.guardian(index)))
  const whole = partsOf(size)
  const plans = whole.filter((plan) => isNew || isThere(plan) || (grows && !isGone(plan)))
  const laid = await Promise.all(
    plans.map(async (plan) => {
      const path = plan.kind === 'node' ? folder.node(plan.index) : folder.guardian(plan.index)
      try {
        // What is there keeps its set-up; a set-up that was lost is not guessed.
        if (isThere(plan) && !isNew)
          for (const file of ['role.json', 'keys/operator'])
            if (!existsSync(join(path, file))) throw lostFile(join(path, file), plan.kind, path)
        const institution = await layOutPart(folder, plan, size.quotaBytes)
        return { ...institution, isRenewed: isRenewed(path) }
      } catch (error) {
        missing.push(noteOf({ kind: plan.kind, folder: path }, asXcareError(error)))
        return null
      }
    }),
  )
  return laid.filter((institution) => institution !== null)
}

function lostFile(file: string, kind: 'node' | 'guardian', path: string): XcareError {
  return new XcareError('NOT_INITIALISED', `its file ${file} is gone`, { next: restoreOrReset(kind, path) })
}

function restoreOrReset(kind: Role['kind'], path: string): string {
  return kind === 'node'
    ? `restore it from a copy, or begin this node anew with \`npx xcare node reset --dir ${path}\``
    : 'restore its folder from a copy'
}

function takenNote(folder: NetworkFolder, { instId, folder: path }: LocalInstitution): PartNote {
  const kind = path.startsWith(join(folder.root, 'nodes')) ? 'node' : 'guardian'
  return noteOf(
    { kind, folder: path },
    new XcareError('REFUSED', `its key is not the one that the chain knows of "${instId}"`, {
      next:
        kind === 'node'
          ? `restore keys/operator in its folder, or begin this node anew with \`npx xcare node reset --new-identity --dir ${path}\``
          : 'restore keys/operator in its folder',
    }),
  )
}

function goneError({ kind, folder }: Role): XcareError {
  return new XcareError('NOT_INITIALISED', 'its folder is gone', {
    next:
      kind === 'node'
        ? `restore the folder, or begin this node anew with \`npx xcare node reset --dir ${folder}\`, then \`npx xcare up\` and \`npx xcare repair\``
        : 'restore the folder from a copy: only it holds the key shares of this guardian',
  })
}

function copyError({ folder }: Role): XcareError {
  return new XcareError('LOCKED', `${folder} is a copy of a part that is there`, {
    next: 'keep copies elsewhere; the part itself is not concerned',
  })
}

const isOf =
  (role: Role) =>
  ({ folder }: PartNote): boolean =>
    folder === role.folder

interface StartedPart {
  role: Role
  /** Peer id, null when a living part does not say. */
  id: string | null
}

async function startParts(
  parts: Role[],
  launch: Launch,
  progress: Progress,
  missing: PartNote[],
): Promise<StartedPart[]> {
  const started: StartedPart[] = []
  await Promise.all(
    parts.map(async (role) => {
      try {
        const ready = await launch.start(role)
        started.push({ role, id: typeof ready?.nodeId === 'string' ? ready.nodeId : null })
      } catch (error) {
        const known = asXcareError(error)
        if (known.code === 'INTERRUPTED') throw known
        const next = known.code === 'MALFORMED' ? restoreOrReset(role.kind, role.folder) : known.next
        missing.push(noteOf(role, { code: known.code, message: known.message, next }))
      }
      const text = `starting storage nodes and guardians: ${started.length} of ${parts.length}`
      progress({ type: 'starting', text })
    }),
  )
  return started
}

function countOf(kind: Role['kind'], started: StartedPart[], missing: PartNote[]) {
  const running = started.filter(({ role }) => role.kind === kind).length
  const lost = missing.filter((note) => note.kind === kind && note.code !== 'LOCKED').length
  return { running, of: running + lost }
}

async function startAnchorProcess(
  folder: NetworkFolder,
  launch: Launch,
  progress: Progress,
): Promise<NetworkFile> {
  progress({ type: 'starting', text: 'starting the anchoring chain' })
  const ready = await launch.start({ kind: 'anchor', folder: folder.anchor })
  if (!ready) {
    const before = await readNetworkFileOrNull(folder.root).catch(() => null)
    if (before) return before
    throw new XcareError('LOCKED', 'the chain runs, but does not say where', {
      next: `\`npx xcare down --dir ${folder.root}\`, then \`npx xcare up --dir ${folder.root}\``,
    })
  }
  // A file that is damaged costs nothing: the root of a chain is its first block.
  const before = await readNetworkFileOrNull(folder.root).catch(() => null)
  const network = networkOf(before, ready as unknown as StartedChain)
  await writeNetworkFile(folder.root, network)
  return network
}

/** A part that is not on the chain within a minute runs all the same, and goes on trying. */
async function untilRegistered(ledger: Ledger, started: StartedPart[]): Promise<void> {
  const wanted = started.map(({ id }) => id).filter((id) => id !== null)
  const until = systemClock.nowMs() + SETTLE_MS_MAX
  while (systemClock.nowMs() < until) {
    // None yet, or one that a newer one replaced while it was read.
    const view = await readNetworkView(ledger, null).catch(() => null)
    const listed = new Set([
      ...(view?.nodes ?? []).map(({ nodeId }) => String(nodeId)),
      ...(view?.guardians ?? []).map(({ guardianId }) => String(guardianId)),
    ])
    if (wanted.every((id) => listed.has(id))) return
    await systemClock.sleep(SETTLE_STEP_MS)
  }
}

/** @returns whether any part of the network in `folder` lives now. */
export async function anyRunning(folder: NetworkFolder): Promise<boolean> {
  const lives = await Promise.all((await rolesOf(folder)).map((role) => lifeOf(role.folder)))
  return lives.some(({ state }) => state !== 'stopped')
}

/** Stops every process of a local network, the chain last so that the others can finish what they were anchoring. */
export async function stopNetwork(
  folder: NetworkFolder,
  tell: (kind: Role['kind'], processes: number) => void = () => {},
): Promise<void> {
  const roles = await rolesOf(folder)
  for (const kind of ENDING_ORDER) {
    const ended = await Promise.all(roles.filter((role) => role.kind === kind).map(stopProcess))
    tell(kind, ended.filter(Boolean).length)
  }
}
