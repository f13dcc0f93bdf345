import { PURPOSE_CODES, type Purpose, purposeWords } from '../custody/purpose.ts'
import type { XcareEvent } from '../ports.ts'
import type { Machine, StageOutcome } from './bench/report-shape.ts'
import { machineLines, spanText, stageDoneLine } from './bench/sentences.ts'

/** What a terminal shows for an event: a line that stays, one that the next replaces, or nothing. */
export interface Sentence {
  text: string | null
  passing: boolean
}

/** Fields that events with words of their own carry; each event has those its sentence names. */
interface Fields {
  text: string
  kind: string
  name: string
  objectId: string
  did: string
  node: string
  guardian: string
  message: string
  file: string
  created: string
  bytes: number
  of: number
  columns: number
  columnsOf: number
  stripes: number
  custodians: number
  custodiansOf: number
  pid: number
  processes: number
  running: boolean
  removing: boolean
  at: number
  title: string
  share: number
  etaSeconds: number
  record: number
  records: number
  bytesPerSecond: number
  leftSeconds: number
  grantId: string
  to: string
  names: string[]
  purpose: string
  until: string
  state: string
}

/** States of a permission, in words. */
const STATES: Record<string, string> = {
  revoked: 'taken back',
  frozen: 'taken back',
  ended: 'ended',
  unknown: 'not looked up',
}

function purposeOf(code: string): string {
  return PURPOSE_CODES.some((known) => known === code) ? purposeWords(code as Purpose) : code
}

function namesText(names: string[]): string {
  const shown = names.slice(0, 3).map((name) => `"${plainText(name)}"`)
  return names.length > 3 ? `${shown.join(', ')} and ${names.length - 3} more` : shown.join(', ')
}

type Say = (event: Fields) => string | null

const MIB = 1024 * 1024

/** @returns bytes in the unit people use. */
export function sizeOf(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`
  if (bytes < MIB) return `${(bytes / 1024).toFixed(1)} KiB`
  return bytes < 1024 * MIB ? `${(bytes / MIB).toFixed(1)} MiB` : `${(bytes / 1024 / MIB).toFixed(2)} GiB`
}

/** @returns a span of time as people say it: 5 minutes, 3 hours, 12 days. */
export function ageText(ms: number): string {
  const minutes = Math.max(1, Math.ceil(ms / 60_000))
  const [number, unit] =
    minutes < 120
      ? [minutes, 'minute']
      : minutes < 48 * 60
        ? [Math.ceil(minutes / 60), 'hour']
        : [Math.ceil(minutes / (24 * 60)), 'day']
  return `${number} ${unit}${number === 1 ? '' : 's'}`
}

/** @returns both ends of a long id: enough to tell nodes apart. */
export function shortId(id: string): string {
  return id.length > 16 ? `${id.slice(0, 6)}…${id.slice(-6)}` : id
}

const percent = (part: number, whole: number) => (whole > 0 ? Math.floor((100 * part) / whole) : 100)

const PASSING: Record<string, Say> = {
  'put-progress': (event) => progressOf('storing', event),
  'get-progress': (event) => progressOf('reading', event),
  'repair-progress': ({ stripes, of }) => `making lost fragments again  ${percent(stripes, of)} %`,
  whole: ({ text }) => text,
  'node-away': ({ node }) => `storage node ${shortId(node)} is away, asking the next`,
  starting: ({ text }) => text,
  'bench-progress': ({ share, text, etaSeconds }) =>
    `${Math.floor(share * 100)} %  ${text}, about ${spanText(etaSeconds)} left`,
}

const LASTING: Record<string, Say> = {
  step: ({ text }) => `\n${text}`,
  fact: ({ text }) => `  ${text}`,
  stored: ({ objectId, name, bytes, columns, columnsOf, custodians, custodiansOf }) =>
    `stored ${name} (${sizeOf(bytes)}): ${columns} of ${columnsOf} columns on storage nodes, key shares with ${custodians} of ${custodiansOf} guardians\n  ${objectId}`,
  renamed: ({ name, file }) => `note: "${name}" is no name for a file here, it is called ${file}`,
  'not-unpacked': ({ name, message }) => `note: "${name}" was left out: ${message}`,
  'stored-as': ({ file, name }) => `note: ${file} is stored as "${name}"`,
  'put-resumed': ({ name, bytes, of }) =>
    `${name}: ${sizeOf(bytes)} of ${sizeOf(of)} are stored from before, the rest follows`,
  'put-changed': ({ name }) => `note: ${name} has changed since it was begun to be stored, it is begun anew`,
  'put-unfinished': ({ name, file, bytes, of }) =>
    `note: ${name} is stored in part (${sizeOf(bytes)} of ${sizeOf(of)})\n  next: \`npx xcare put ${quoted(file)}\` goes on; after a week the part is removed`,
  'not-stored': ({ file, message }) => `note: ${file} was left out: ${message}`,
  unpacked: ({ name, bytes, file }) => `  ${name} (${sizeOf(bytes)}) -> ${file}`,
  record: ({ objectId, name, bytes, created, removing }) =>
    `${created.slice(0, 16)}  ${sizeOf(bytes).padStart(10)}  ${name}${removing ? ' (being removed)' : ''}\n  ${objectId}`,
  entry: ({ name, bytes }) => `${sizeOf(bytes).padStart(10)}  ${name}`,
  shared: ({ objectId, name, purpose, until, state }) =>
    `${name}\n  ${objectId}\n  ${purposeOf(purpose)} until ${until.slice(0, 16)}${state === 'active' ? '' : `, ${STATES[state] ?? state}`}`,
  permission: ({ grantId, to, names, purpose, until, state }) =>
    `${to} may read ${namesText(names)} ${purposeOf(purpose)} until ${until.slice(0, 16)}${state === 'active' ? '' : `: ${STATES[state] ?? state}`}\n  ${grantId}`,
  wallet: ({ name, did }) => `${name}\n  ${did}`,
  part: ({ kind, name, running, pid }) =>
    `${running ? 'up  ' : 'DOWN'}  ${kind.padEnd(8)} ${name.padEnd(8)} ${running ? `process ${pid}` : ''}`,
  light: ({ text }) => text,
  notice: ({ text }) => text,
  repaired: ({ text }) => text,
  'not-repaired': ({ name, message }) => `${name} could not be repaired: ${message}`,
  'node-failed': ({ node, message }) => `note: storage node ${shortId(node)} was left out: ${message}`,
  'node-late': ({ node }) =>
    `note: storage node ${shortId(node)} is much slower than the others, another is asked in its place`,
  'node-caught-up': ({ node }) => `storage node ${shortId(node)} caught up and has its fragments now`,
  'node-dropped': ({ node, message }) =>
    `note: storage node ${shortId(node)} did not take its part: ${message}`,
  'manifest-refused': ({ node, message }) => `note: storage node ${shortId(node)}: ${message}`,
  'guardian-refused': ({ guardian, message }) => `note: guardian ${shortId(guardian)}: ${message}`,
  warning: ({ text }) => `warning: ${text}`,
  stopped: ({ kind, processes }) =>
    processes > 0 ? `stopped ${processes} ${kind}${processes > 1 ? 's' : ''}` : null,
  ready: (event) => JSON.stringify(event),
  'bench-machine': (event) => machineLines(event as unknown as Machine),
  'bench-stage': ({ at, of, title, etaSeconds }) =>
    `\n[${at}/${of}] ${title} (about ${spanText(etaSeconds)} left)`,
  'bench-stage-done': (event) => stageDoneLine(event as unknown as StageOutcome),
  'bench-plot': ({ text }) => text,
  'bench-comparison': ({ text }) => text,
  result: (event) => resultSentence({ ...event }),
}

/** Of several records the rate and the time left are those of all. */
function progressOf(what: string, { name, bytes, of, bytesPerSecond, leftSeconds, ...all }: Fields): string {
  const which = all.records > 1 ? `${all.record} of ${all.records}  ` : ''
  const rate = bytesPerSecond ? `  ${sizeOf(bytesPerSecond)}/s` : ''
  const left = leftSeconds ? `  ${spanText(leftSeconds)} left` : ''
  return `${what}  ${which}${percent(bytes, of)} %  ${sizeOf(bytes)} of ${sizeOf(of)}${rate}${left}${name ? `  ${name}` : ''}`
}

/** @returns a path as a shell takes it. */
function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}

/** @returns what a person reads for `event`. Events without words of their own are for machines only. */
export function sentenceOf(event: XcareEvent): Sentence {
  const fields = printable(event) as unknown as Fields
  const passing = PASSING[event.type]
  if (passing) return { text: passing(fields), passing: true }
  return { text: LASTING[event.type]?.(fields) ?? null, passing: false }
}

/** @returns `text` without characters that move the cursor, change direction or, unless `lines`, start a line of their own. */
export function plainText(text: string, lines = false): string {
  const kept = lines ? text.split('\n') : [text]
  return kept
    .map((line) => line.replace(/[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, ' '))
    .join('\n')
}

/** Names and messages may come from other machines; only `text` is written here, line breaks included. */
function printable(event: XcareEvent): XcareEvent {
  const fields = Object.entries(event).map(([name, value]) => [
    name,
    typeof value === 'string' ? plainText(value, name === 'text') : value,
  ])
  return Object.fromEntries(fields)
}

function resultSentence(result: Record<string, unknown>): string | null {
  if (typeof result.text === 'string') return result.text
  if (typeof result.file === 'string') return `${result.file} (${sizeOf(result.bytes as number)})`
  if (Array.isArray(result.records) && result.records.length === 0)
    return 'no records yet: store one with `npx xcare put FILE`'
  if (typeof result.did === 'string') return `wallet "${result.wallet}" is ${result.did}`
  if (result.nodes && typeof result.nodes === 'object')
    return statusSentence(result as unknown as StatusResult)
  return null
}

interface StatusResult {
  nodes: { running: number; of: number }
  guardians: { running: number; of: number }
  anchor: boolean
}

function statusSentence({ nodes, guardians, anchor }: StatusResult): string {
  const parts = `${nodes.running} of ${nodes.of} storage nodes and ${guardians.running} of ${guardians.of} guardians are up`
  if (!anchor) return `${parts}. The chain is DOWN: nothing can be read or stored.\n  next: \`npx xcare up\``
  return nodes.running + guardians.running === nodes.of + guardians.of
    ? `All is well: ${parts}.`
    : `${parts}.\n  next: \`npx xcare up\` starts what is missing`
}

/** @returns a number with what is counted, of which one has no s. */
export function count(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? '' : 's'}`
}
