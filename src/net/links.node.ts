import { tcp } from '@libp2p/tcp'
import type { Libp2pOptions } from 'libp2p'
import { lazyNoise } from './_lazy-noise.ts'
import type { Admission } from './admission.ts'
import type { LinkOptions } from './peer-options.ts'
import { rawTls } from './tls/raw-tls.ts'

type Links = Required<Pick<Libp2pOptions, 'transports' | 'connectionEncrypters'>>

/** @returns how a process makes connections: TCP with TLS, else noise; and it takes those of browsers where it listens for them. */
export async function links(options: LinkOptions, admission: Admission): Promise<Links> {
  const transports: Links['transports'] = [tcp()]
  if (options.listen.some((address) => address.endsWith('/ws'))) {
    // Loaded on demand: most peers never meet a browser.
    const { webSocketListening } = await import('./web/listening.ts')
    transports.push(webSocketListening(options, admission))
  }
  return { transports, connectionEncrypters: [rawTls(), lazyNoise()] }
}
