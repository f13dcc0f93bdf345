import { timeToMs } from '../../chain-anchor/comet/time.ts'
import { rpcProvider } from '../../chain-anchor/light/rpc-provider.ts'
import { ELSEWHERE_MS_MAX } from '../../limits.ts'
import { systemClock } from '../clock.ts'
import type { NetworkFile } from './network-folder.ts'

/**
 * What a chain endpoint said when it was asked for its newest block; nothing of it is proven. `height` is
 * null when it does not answer for this network.
 */
export interface EndpointAnswer {
  url: string
  height: number | null
  timeMs: number | null
}

/** Asks every chain endpoint of `network`, all at the same time. */
export async function askEndpoints(network: NetworkFile): Promise<EndpointAnswer[]> {
  return Promise.all(
    network.rpc.map(async (url) => {
      const none = { url, height: null, timeMs: null }
      try {
        const late = AbortSignal.timeout(ELSEWHERE_MS_MAX)
        const answer = await Promise.race([
          rpcProvider(url, systemClock).signedHeader(null),
          new Promise<null>((resolve) => late.addEventListener('abort', () => resolve(null))),
        ])
        if (answer?.header.chainId !== network.network) return none
        return { url, height: Number(answer.header.height), timeMs: timeToMs(answer.header.time) }
      } catch {
        return none
      }
    }),
  )
}
