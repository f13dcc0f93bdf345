import type { XcareEvent } from '../ports.ts'

/** What a terminal shows for an event: a line that stays, one that the next replaces, or nothing. */
export interface Sentence {
  text: string | null
  passing: boolean
}

type Say = (event: Record<string, never>) => string | null

const MIB = 1024 * 1024

/** @returns bytes in the unit people use. */
export function sizeOf(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`
  if (bytes < MIB) return `${(bytes / 1024).toFixed(1)} KiB`
  return bytes < 1024 * MIB ? `${(bytes / MIB).toFixed(1)} MiB` : `${(bytes / 1024 / MIB).toFixed(2)} GiB`
}

const short = (id: string) => (id.length > 16 ? `${id.slice(0, 6)}…${id.slice(-6)}` : id)
const percent = (part: number, whole: number) => (whole > 0 ? Math.floor((100 * part) / whole) : 100)

const PASSING: Record<string, Say> = {
  'put-progress': ({ bytes, of }) => `storing  ${percent(bytes, of)} %  ${sizeOf(bytes)} of ${sizeOf(of)}`,
  'get-progress': ({ bytes, of }) => `reading  ${percent(bytes, of)} %  ${sizeOf(bytes)} of ${sizeOf(of)}`,
  starting: ({ text }) => text,
}

const LASTING: Record<string, Say> = {
  step: ({ text }) => `\n${text}`,
  fact: ({ text }) => `  ${text}`,
  stored: ({ objectId, name, bytes, columns, columnsOf, custodians, custodiansOf }) =>
    `stored ${name} (${sizeOf(bytes)}): ${columns} of ${columnsOf} storage nodes, key shares with ${custodians} of ${custodiansOf} guardians\n  ${objectId}`,
  unpacked: ({ name, bytes, file }) => `  ${name} (${sizeOf(bytes)}) -> ${file}`,
  record: ({ objectId, name, bytes, created }) =>
    `${created.slice(0, 16)}  ${sizeOf(bytes).padStart(10)}  ${name}\n  ${objectId}`,
  wallet: ({ name, did }) => `${name}\n  ${did}`,
  part: ({ kind, name, running, pid }) =>
    `${running ? 'up  ' : 'DOWN'}  ${kind.padEnd(8)} ${name.padEnd(8)} ${running ? `process ${pid}` : ''}`,
  notice: ({ text }) => text,
  'column-failed': ({ node, message }) => `note: storage node ${short(node)} was left out: ${message}`,
  'column-dropped': ({ node, message }) =>
    `note: storage node ${short(node)} did not take its part: ${message}`,
  'manifest-refused': ({ node, message }) => `note: storage node ${short(node)}: ${message}`,
  'guardian-refused': ({ guardian, message }) => `note: guardian ${short(guardian)}: ${message}`,
  warning: ({ text }) => `warning: ${text}`,
  stopped: ({ kind, processes }) =>
    processes > 0 ? `stopped ${processes} ${kind}${processes > 1 ? 's' : ''}` : null,
  ready: (event) => JSON.stringify(event),
  result: (event) => resultSentence(event),
}

/** @returns what a person reads for `event`. Events without words of their own are for machines only. */
export function sentenceOf(event: XcareEvent): Sentence {
  const fields = event as unknown as Record<string, never>
  const passing = PASSING[event.type]
  if (passing) return { text: passing(fields), passing: true }
  return { text: LASTING[event.type]?.(fields) ?? null, passing: false }
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
  if (!anchor) return `${parts}. The chain is DOWN: nothing can be read or stored.\n  next: npx xcare up`
  return nodes.running + guardians.running === nodes.of + guardians.of
    ? `All is well: ${parts}.`
    : `${parts}.\n  next: npx xcare up starts what is missing`
}
