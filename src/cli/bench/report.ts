import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rename } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { XcareError } from '../../errors.ts'
import { asDiskError, readOrNull, replaceFile } from '../../sdk/folder.ts'
import type { ReportDraft } from './draft.ts'
import { floorFigures } from './limits/floors.ts'
import { sizeLabel } from './options.ts'
import { reportPage } from './page/page.ts'
import { networkProfileNamed, profileSentence } from './proxy/profiles.ts'
import {
  type Machine,
  parseReport,
  REPORT_BYTES_MAX,
  REPORT_FORMAT,
  REPORT_VERSION,
  type Report,
  type Settings,
  type StageOutcome,
} from './report-shape.ts'
import { round } from './statistics.ts'
import { judgeTargets } from './targets.ts'

const ROOT = new URL('../../../', import.meta.url)

/** What a report is made of. */
export interface ReportParts {
  draft: ReportDraft
  stages: StageOutcome[]
  settings: Settings
  machine: Machine
  network: Report['network']
  createdAt: Date
  seconds: number
  othersBusyCores: number | null
}

/** @returns the whole report of what was measured. */
export function assembleReport(parts: ReportParts): Report {
  const { draft, stages, settings, machine, network, othersBusyCores } = parts
  const measured = draft.figures()
  const figures = [...measured, ...floorFigures(measured)]
  return {
    format: REPORT_FORMAT,
    version: REPORT_VERSION,
    createdAt: parts.createdAt.toISOString(),
    program: { version: programVersion(), commit: commitOf() },
    complete: stages.every(({ state }) => state === 'done'),
    seconds: round(parts.seconds),
    machine,
    settings,
    network,
    othersBusyCores,
    method: [...methodOf(parts), ...draft.method],
    stages,
    figures,
    latencies: draft.latencies,
    timelines: draft.timelines(),
    targets: judgeTargets(figures),
  }
}

function methodOf({ settings, network, machine, othersBusyCores }: ReportParts): string[] {
  const busy =
    othersBusyCores !== null && othersBusyCores > 0.2
      ? [
          `This machine was not quiet: other programs kept ${othersBusyCores} of ${machine.cores} cores busy on average. Times are worse than on a quiet machine, CPU seconds somewhat, as caches are shared; counts of bytes and requests are the same.`,
        ]
      : []
  return [
    ...busy,
    `One machine: ${network.nodes} storage nodes, ${network.guardians} guardians, ${network.anchors} chain and the client share ${machine.cores} cores, each a process of its own, ${network.processes} in all. The client is this program; making and checking the records is part of its CPU and memory. Codec, disk, index and wire run in processes of their own.`,
    'Every put ends with signed receipts: each storage node has checked every fragment against its hash and made it durable with fdatasync, the commitment is in a block, and guardians hold the key shares. Encryption and dispersal are always on.',
    'Every get is compared with what was stored, byte by byte; a byte that differs fails the stage. Fragments are checked against the anchored manifest before they are decoded.',
    'Records are incompressible and all different.',
    `Warm-up: before put and get are measured, each shape was put and got once with up to ${sizeLabel(8 * 2 ** 20)}, and the processes were left to settle; codec, disk and wire ran one round that is not counted. Get, one record at a time: each record is read once, shortly after it was put, from the disk when its parts are long; get without loss and with n - k columns killed: one record again and again, from the third time on out of the system’s cache.`,
    `Every figure is the median of its samples (${settings.repeats} repeats unless the number of samples says otherwise), with smallest, largest and median absolute deviation. Repeats go round all sizes and shapes, so that a slow moment falls on all.`,
    'Rates of one thread (seal, split, encode, hash, decode, and those of the machine) are for a second of that thread’s processor time, so that what other programs take of a core is not in them. All other rates are for a second of the clock.',
    'Closed loop: each caller begins its next operation when the last one is done. Open loop: operations begin at a fixed rate, and latency counts from the intended start, so that stalls are not hidden by a load that waits.',
    'CPU seconds are user and system time of whole processes while the operation ran, from /proc; work that nodes do after the acknowledgement is not in them. Peak memory of the client is the high-water mark of one put or get, begun anew before it; that of the others since the stage began. Turns are processor time of the thread with the connections between two looks at what came meanwhile; those of storage nodes are of puts and gets that count for nothing else. GB and MB are powers of ten, KiB and MiB powers of two.',
    `Network: ${profileSentence(networkProfileNamed(settings.profile))}. Bytes on the wire are TCP payload in both directions, counted by a proxy between client and network, with TLS, chain and guardians included.`,
  ]
}

function programVersion(): string {
  return JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8')).version
}

/** The commit of a checkout, read from its files; null elsewhere. */
function commitOf(): string | null {
  try {
    const head = readFileSync(new URL('.git/HEAD', ROOT), 'utf8').trim()
    const hash = head.startsWith('ref: ')
      ? readFileSync(new URL(`.git/${head.slice(5)}`, ROOT), 'utf8').trim()
      : head
    return /^[0-9a-f]{40,64}$/.test(hash) ? hash : null
  } catch {
    return null
  }
}

/** Where a report was written. */
export interface WrittenReport {
  json: string
  html: string
}

/** Writes `report.json` and `report.html` into `folder`, each whole or not at all. @throws XcareError FILE_UNREADABLE, NO_SPACE */
export async function writeReport(report: Report, folder: string): Promise<WrittenReport> {
  const written = { json: resolve(folder, 'report.json'), html: resolve(folder, 'report.html') }
  try {
    await mkdir(folder, { recursive: true })
  } catch (cause) {
    throw asDiskError(cause, folder)
  }
  await replaceFile(written.json, `${JSON.stringify(report, null, 1)}\n`)
  await replaceFile(written.html, reportPage(report))
  return written
}

/**
 * Makes way for a new report: one that is there already gets its date into its name.
 * @returns where it lies then, or null when there was none.
 * @throws XcareError FILE_UNREADABLE, NO_SPACE
 */
export async function setAside(folder: string): Promise<string | null> {
  const content = await readOrNull(join(folder, 'report.json'))
  if (!content) return null
  const made = /"createdAt": ?"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)/.exec(new TextDecoder().decode(content))?.[1]
  const stamp = made?.replaceAll(':', '.') ?? 'earlier'
  let name = `report-${stamp}`
  for (let copy = 2; existsSync(join(folder, `${name}.json`)); copy++) name = `report-${stamp}-${copy}`
  for (const ending of ['json', 'html'])
    if (existsSync(join(folder, `report.${ending}`)))
      await rename(join(folder, `report.${ending}`), join(folder, `${name}.${ending}`)).catch(
        (cause: unknown) => {
          throw asDiskError(cause, folder)
        },
      )
  return join(folder, `${name}.json`)
}

/** @param path of a report.json, or of the folder it lies in. @throws XcareError FILE_UNREADABLE, MALFORMED */
export async function readReport(path: string): Promise<Report> {
  const file = path.endsWith('.json') ? path : join(path, 'report.json')
  const content = await readOrNull(file)
  if (!content)
    throw new XcareError('FILE_UNREADABLE', `there is no report ${file}`, {
      next: 'make one with `npx xcare bench --out FOLDER`',
    })
  if (content.length > REPORT_BYTES_MAX)
    throw new XcareError('MALFORMED', `${file} is too large for a report`)
  return parseReport(new TextDecoder().decode(content), file)
}
