import type { XcareEvent } from '../../ports.ts'
import { plainText } from '../sentences.ts'

type Say = (event: Record<string, unknown>) => string

const WORDS: Record<string, Say> = {
  ready: ({ nodeId, addresses, rpcUrl }) =>
    `ready: ${nodeId}\n  reachable at ${[rpcUrl, ...(Array.isArray(addresses) ? addresses : [])].filter(Boolean).join(', ')}`,
  recovered: ({ rebuilt, tornBytes }) =>
    `recovered from a hard end: ${rebuilt ? 'the index was made again' : 'the index was whole'}, ${tornBytes} bytes were not whole`,
  expired: ({ columns }) => `${columns} columns that nobody finished or wants were removed`,
  damaged: ({ column, stripe }) => `a fragment of column ${column}, stripe ${stripe}, is damaged`,
  failed: ({ what, code, message }) => `error: ${what} failed: ${message ?? code}`,
}

/** @returns what the operator of a part reads for an event: a line with its time. */
export function partLine(event: XcareEvent, nowMs: number): string {
  const time = new Date(nowMs).toLocaleTimeString('en-GB')
  const fields = event as unknown as Record<string, unknown>
  const text =
    WORDS[event.type]?.(fields) ?? (typeof fields.text === 'string' ? fields.text : otherText(fields))
  return `${time}  ${plainText(text, true)}`
}

function otherText({ type, ...fields }: Record<string, unknown>): string {
  return [type, ...Object.entries(fields).map(([name, value]) => `${name} ${value}`)].join(', ')
}
