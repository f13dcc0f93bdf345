import { FaultProxy } from './fault-proxy.ts'
import type { ProxyAnswer, ProxyRequest } from './proxy-process.ts'

/** A proxy in a process of its own, so that what it costs is not counted with the client. Ends with its parent. */
let proxy: FaultProxy | null = null

process.on('message', async ({ id, ask }: { id: number; ask: ProxyRequest }) => {
  const answer = await answerTo(ask).catch((error: unknown) => ({ error: String(error) }))
  process.send?.({ id, answer })
})
process.on('disconnect', () => process.exit(0))
// Ctrl-C reaches the whole group; the parent decides when this ends.
process.on('SIGINT', () => {})

async function answerTo(ask: ProxyRequest): Promise<ProxyAnswer> {
  if (ask.do === 'start') {
    proxy = new FaultProxy(ask.profile, ask.seed)
    return {}
  }
  if (!proxy) return { error: 'not started' }
  if (ask.do === 'open') return { opened: await proxy.open(ask.address, ask.port) }
  if (ask.do === 'cut') proxy.cut(ask.route, ask.afterBytes)
  if (ask.do === 'mend') proxy.mend(ask.route)
  return { counters: proxy.counters() }
}
