import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Daemon,
  fetchInto,
  fetchSmall,
  RECORDS_IN_FLIGHT,
  runCommand,
  startDaemon,
  untilReady,
} from './daemon.ts'
import { inFlight, type StartOptions, type System, serve } from './serve.ts'

const BOUNDARY = 'xcare-bench-boundary'
const HEAD = Buffer.from(
  `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="object"\r\nContent-Type: application/octet-stream\r\n\r\n`,
)
const TAIL = Buffer.from(`\r\n--${BOUNDARY}--\r\n`)

interface Node {
  daemon: Daemon
  /** Where its RPC listens. */
  api: string
}

/** Two Kubo daemons that know nobody but each other: one adds, the other fetches by bitswap. This process calls their RPC. */
async function start({ scratch, tools }: StartOptions): Promise<System> {
  const ipfs = join(tools, 'ipfs')
  const [writer, reader] = [
    await startNode(ipfs, join(scratch, 'writer')),
    await startNode(ipfs, join(scratch, 'reader')),
  ]
  const call = (node: Node, path: string, body?: Uint8Array[], headers?: Record<string, string>) => ({
    method: 'POST',
    url: `${node.api}/api/v0/${path}`,
    body,
    headers,
  })
  const about = JSON.parse((await fetchSmall(call(writer, 'id'))).toString()) as {
    ID: string
    Addresses: string[]
  }
  await fetchSmall(
    call(
      reader,
      `swarm/connect?arg=${encodeURIComponent(about.Addresses.find((one) => one.includes('/tcp/'))!)}`,
    ),
  )
  const add = async (content: Uint8Array) => {
    const headers = { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` }
    const answer = await fetchSmall(call(writer, 'add?progress=false', [HEAD, content, TAIL], headers))
    return (JSON.parse(answer.toString().trim()) as { Hash: string }).Hash
  }
  return {
    version: await runCommand(ipfs, ['version', '--number']),
    detached: [],
    put: (_, content) => add(content),
    get: (_, token, sink) => fetchInto(call(reader, `cat?arg=${token}`), sink),
    putRecords: async (_, records) => (await inFlight(records, RECORDS_IN_FLIGHT, add)).join(' '),
    getRecords: async (_, token, sink) => {
      const cat = (cid: string) => fetchSmall(call(reader, `cat?arg=${cid}`))
      for (const record of await inFlight(token.split(' '), RECORDS_IN_FLIGHT, cat)) sink.push(record)
    },
    stop: async () => {
      await Promise.all([writer.daemon.stop(), reader.daemon.stop()])
    },
  }
}

async function startNode(ipfs: string, folder: string): Promise<Node> {
  mkdirSync(folder, { recursive: true })
  const env = { IPFS_PATH: folder, IPFS_TELEMETRY: 'off' }
  // Loopback only, no bootstrap, no discovery, nothing asked of anybody else.
  await runCommand(ipfs, ['init', '--profile=test'], env)
  await runCommand(ipfs, ['config', 'profile', 'apply', 'autoconf-off'], env)
  await runCommand(ipfs, ['config', 'Routing.Type', 'none'], env)
  const daemon = startDaemon(ipfs, ['daemon'], { log: join(folder, 'daemon.log'), env })
  let api = ''
  await untilReady('Kubo', [daemon], async () => {
    const [, , host, , port] = readFileSync(join(folder, 'api'), 'utf8').trim().split('/')
    api = `http://${host}:${port}`
    await fetchSmall({ method: 'POST', url: `${api}/api/v0/id` })
    return true
  })
  return { daemon, api }
}

serve(start)
