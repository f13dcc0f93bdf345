import { asXcareError } from '../../errors.ts'
import type { Progress } from '../../ports.ts'

/** TCP ports of a part, each 0 for any free one: for processes, and for the WebSockets of browsers, which not every part has. */
export interface Ports {
  port: number
  webPort?: number
}

/**
 * Starts a part on the ports it had before, or any free ones at its first start; when somebody else took one meanwhile,
 * on others, which the part then tells the chain.
 */
export async function onFreePorts<T>(
  ports: Ports,
  log: Progress,
  start: (listen: string[]) => Promise<T>,
): Promise<T> {
  const { port, webPort } = ports
  try {
    return await start(listenOn(ports))
  } catch (error) {
    if (!(port || webPort) || asXcareError(error).code !== 'PORT_IN_USE') throw error
    const taken = webPort ? `${port} or ${webPort}` : `${port}`
    log({
      type: 'port-taken',
      port,
      text: `port ${taken} is taken by another program: using the next free one`,
    })
    return start(listenOn(webPort === undefined ? { port: 0 } : { port: 0, webPort: 0 }))
  }
}

function listenOn({ port, webPort }: Ports): string[] {
  const tcp = `/ip4/127.0.0.1/tcp/${port}`
  return webPort === undefined ? [tcp] : [tcp, `/ip4/127.0.0.1/tcp/${webPort}/ws`]
}

/** @returns the ports in these multiaddrs, the first of each kind; a port of 0 where there is none for processes. */
export function portsOf(addresses: string[]): Ports {
  const first = (form: RegExp) => addresses.map((address) => form.exec(address)?.[1]).find(Boolean)
  const webPort = first(/\/tcp\/(\d+)\/ws$/)
  const port = Number(first(/\/tcp\/(\d+)$/) ?? 0)
  return webPort === undefined ? { port } : { port, webPort: Number(webPort) }
}
