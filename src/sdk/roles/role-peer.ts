import type { XcareEvent } from '../../ports.ts'

/** @returns where a part listens: on the port it had before, or any free one at its first start. */
export const listenOn = (port: number): string[] => [`/ip4/127.0.0.1/tcp/${port}`]

/** @returns the TCP port in the first of these multiaddrs, or 0. */
export function portOf(addresses: string[]): number {
  return Number(/\/tcp\/(\d+)/.exec(addresses[0] ?? '')?.[1] ?? 0)
}

/** Writes one line to the process's log. */
export const logLine = (event: XcareEvent): void => {
  process.stdout.write(`${JSON.stringify(event)}\n`)
}
