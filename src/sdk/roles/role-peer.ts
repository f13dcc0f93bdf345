import { asXcareError } from '../../errors.ts'
import type { XcareEvent } from '../../ports.ts'

/**
 * Starts a part on the port it had before, or any free one at its first start; when somebody else took the port meanwhile,
 * on another, which the part then tells the chain.
 */
export async function onFreePort<T>(port: number, start: (listen: string[]) => Promise<T>): Promise<T> {
  try {
    return await start(listenOn(port))
  } catch (error) {
    if (port === 0 || asXcareError(error).code !== 'PORT_IN_USE') throw error
    logLine({
      type: 'port-taken',
      port,
      text: `port ${port} is taken by another program: using the next free one`,
    })
    return start(listenOn(0))
  }
}

const listenOn = (port: number): string[] => [`/ip4/127.0.0.1/tcp/${port}`]

/** @returns the TCP port in the first of these multiaddrs, or 0. */
export function portOf(addresses: string[]): number {
  return Number(/\/tcp\/(\d+)/.exec(addresses[0] ?? '')?.[1] ?? 0)
}

/** Writes one line to the process's log. */
export const logLine = (event: XcareEvent): void => {
  process.stdout.write(`${JSON.stringify(event)}\n`)
}
