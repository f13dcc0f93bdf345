import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Daemon,
  fetchInto,
  fetchSmall,
  freePort,
  runCommand,
  startDaemon,
  untilReady,
} from './daemon.ts'
import { inFlight, type StartOptions, type System, serve } from './serve.ts'

const SERVERS = 12
const CREATED_AT_A_TIME = 2
/** With more, uploads begin to fail on a slow machine. */
const SMALL_IN_FLIGHT = 4
const LOOPBACK = '127.0.0.1'

/** A grid on loopback: an introducer, twelve storage servers and one gateway for each shape `k/n`. This process calls the gateways. */
async function start({ scratch, tools, variants }: StartOptions): Promise<System> {
  const tahoe = join(tools, 'python', 'bin', 'tahoe')
  const daemons: Daemon[] = []
  const create = async (kind: string, folder: string, options: string[]) => {
    await runCommand(tahoe, [`create-${kind}`, ...options, folder])
    daemons.push(
      startDaemon(tahoe, ['run', '--allow-stdin-close', folder], { log: join(folder, 'daemon.log') }),
    )
  }
  const listen = async () => {
    const port = await freePort()
    return [`--port=tcp:${port}:interface=${LOOPBACK}`, `--location=tcp:${LOOPBACK}:${port}`]
  }
  const introducer = join(scratch, 'introducer')
  await create('introducer', introducer, await listen())
  const secret = join(introducer, 'private', 'introducer.furl')
  await untilReady('the introducer', daemons, async () => existsSync(secret))
  const furl = readFileSync(secret, 'utf8').trim()
  await inFlight([...Array(SERVERS).keys()], CREATED_AT_A_TIME, async (at) => {
    const options = [`--introducer=${furl}`, '--webport=none', ...(await listen())]
    await create('node', join(scratch, `server-${at}`), options)
  })
  const gateways = new Map<string, string>()
  for (const variant of variants) {
    const [k, n] = variant.split('/')
    const port = await freePort()
    const shape = [`--shares-needed=${k}`, `--shares-happy=${n}`, `--shares-total=${n}`]
    const web = `--webport=tcp:${port}:interface=${LOOPBACK}`
    await create('client', join(scratch, `gateway-${k}-${n}`), [`--introducer=${furl}`, web, ...shape])
    gateways.set(variant, `http://${LOOPBACK}:${port}`)
  }
  for (const gateway of gateways.values())
    await untilReady('the grid', daemons, async () => (await connectedServers(gateway)) === SERVERS)
  return systemOf(tahoe, gateways, daemons)
}

async function systemOf(tahoe: string, gateways: Map<string, string>, daemons: Daemon[]): Promise<System> {
  const put = async (variant: string, content: Uint8Array) => {
    const url = `${gateways.get(variant)}/uri?format=chk`
    return (await fetchSmall({ method: 'PUT', url, body: [content] })).toString().trim()
  }
  const read = (variant: string, cap: string) => ({
    method: 'GET',
    url: `${gateways.get(variant)}/uri/${encodeURIComponent(cap)}`,
  })
  const [, version = ''] = /\/(\S+)/.exec(await runCommand(tahoe, ['--version'])) ?? []
  return {
    version,
    detached: [],
    put,
    get: (variant, token, sink) => fetchInto(read(variant, token), sink),
    putRecords: async (variant, records) => {
      const caps = await inFlight(records, SMALL_IN_FLIGHT, (record) => put(variant, record))
      return caps.join(' ')
    },
    getRecords: async (variant, token, sink) => {
      const get = (cap: string) => fetchSmall(read(variant, cap))
      for (const record of await inFlight(token.split(' '), SMALL_IN_FLIGHT, get)) sink.push(record)
    },
    stop: async () => {
      await Promise.all(daemons.map((daemon) => daemon.stop()))
    },
  }
}

async function connectedServers(gateway: string): Promise<number> {
  const welcome = JSON.parse((await fetchSmall({ method: 'GET', url: `${gateway}/?t=json` })).toString()) as {
    servers: { connection_status: string }[]
  }
  return welcome.servers.filter(({ connection_status: status }) => /^connected/i.test(status)).length
}

serve(start)
