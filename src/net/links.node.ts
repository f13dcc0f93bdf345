import type { ConnectionEncrypter, Transport } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import type { Libp2pOptions } from 'libp2p'
import { lazyNoise } from './_lazy-noise.ts'
import type { LinkOptions } from './peer-options.ts'
import { rawTls } from './tls/raw-tls.ts'

/** @returns how a process makes connections: TCP with TLS, else noise; and it takes those of browsers where it listens for them. */
export async function links(
  options: LinkOptions,
): Promise<Required<Pick<Libp2pOptions, 'transports' | 'connectionEncrypters'>>> {
  const transports: ((components: never) => Transport)[] = [tcp()]
  if (options.listen.some((address) => address.endsWith('/ws'))) {
    // Loaded on demand: most peers never meet a browser.
    const { webSocketListening } = await import('./web/listening.ts')
    transports.push(webSocketListening(options))
  }
  const connectionEncrypters: ((components: never) => ConnectionEncrypter)[] = [rawTls(), lazyNoise()]
  return { transports, connectionEncrypters } as never
}
