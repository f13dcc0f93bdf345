import { asXcareError, XcareError } from '../../errors.ts'
import { readNetworkView } from '../../light-node/network-view.ts'
import type { Ledger, Progress } from '../../ports.ts'
import { systemClock } from '../clock.ts'
import { openFolder } from '../folder.ts'
import { type Role, startProcess, stopProcess } from '../roles/processes.ts'
import { runningRole } from '../roles/role.ts'
import { keepSigningKey } from '../roles/role-folder.ts'
import { admitInstitutions } from './admit.ts'
import { type LocalSize, layOutLocalNetwork, rolesOf } from './local-network.ts'
import { type NetworkFile, type NetworkFolder, writeNetworkFile } from './network-folder.ts'
import { openNetworkLedger } from './network-ledger.ts'

const SETTLE_MS_MAX = 60_000
const SETTLE_STEP_MS = 100

/**
 * Brings a whole local network up, each part a process of its own; what runs already is left alone, so that the same
 * call also completes a network of which parts were lost. Resolves when all parts are registered on the chain.
 */
export async function startNetwork(
  folder: NetworkFolder,
  size: LocalSize,
  progress: Progress,
): Promise<NetworkFile> {
  const institutions = await layOutLocalNetwork(folder, size)
  const network = await startAnchorProcess(folder, progress)
  const ledger = await openNetworkLedger(network, await openFolder(`${folder.anchor}/light`))
  await admitInstitutions(ledger, institutions, await keepSigningKey(folder.anchor, 'governor'))
  const roles = (await rolesOf(folder)).filter(({ kind }) => kind !== 'anchor')
  let started = 0
  await Promise.all(
    roles.map(async (role) => {
      await startProcess(role)
      progress({
        type: 'starting',
        text: `starting storage nodes and guardians: ${++started} of ${roles.length}`,
      })
    }),
  )
  await untilRegistered(ledger, roles)
  return network
}

interface AnchorReady {
  chainId: string
  rpcUrl: string
  trust: NetworkFile['trust']
  nodeId: string
  addresses: string[]
}

async function startAnchorProcess(folder: NetworkFolder, progress: Progress): Promise<NetworkFile> {
  progress({ type: 'starting', text: 'starting the anchoring chain' })
  const ready = await startProcess({ kind: 'anchor', folder: folder.anchor })
  const { chainId, rpcUrl, trust, nodeId, addresses } = ready as unknown as AnchorReady
  const network = { network: chainId, rpc: [rpcUrl], trust, bootstrap: [{ nodeId, addresses }] }
  await writeNetworkFile(folder.root, network)
  return network
}

async function untilRegistered(ledger: Ledger, roles: Role[]): Promise<void> {
  const wanted = (kind: Role['kind']) => roles.filter((role) => role.kind === kind).length
  const until = systemClock.nowMs() + SETTLE_MS_MAX
  for (;;) {
    const view = await readNetworkView(ledger, null).catch((error: unknown) => {
      if (asXcareError(error).code !== 'NOT_INITIALISED') throw error
      return null
    })
    if (view && view.nodes.length >= wanted('node') && view.guardians.length >= wanted('guardian')) return
    if (systemClock.nowMs() > until)
      throw new XcareError('TIMEOUT', 'the storage nodes did not all register on the chain within a minute', {
        next: 'run `npx xcare status`, then `npx xcare up` again',
      })
    await systemClock.sleep(SETTLE_STEP_MS)
  }
}

/** @returns whether any part of the network in `folder` runs now. */
export async function anyRunning(folder: NetworkFolder): Promise<boolean> {
  const runs = await Promise.all((await rolesOf(folder)).map((role) => runningRole(role.folder)))
  return runs.some((run) => run !== null)
}

/** Stops every process of a local network, the chain last so that the others can finish what they were anchoring. */
export async function stopNetwork(
  folder: NetworkFolder,
  tell: (kind: Role['kind'], processes: number) => void = () => {},
): Promise<void> {
  const roles = await rolesOf(folder)
  for (const kind of ['node', 'guardian', 'anchor'] as const) {
    const ended = await Promise.all(roles.filter((role) => role.kind === kind).map(stopProcess))
    tell(kind, ended.filter(Boolean).length)
  }
}
