import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import Hypercore from 'hypercore'
import { serve } from './serve.ts'

const BLOCK_BYTES = 256 * 1024
const BATCH_BLOCKS = 16
const KEY_BYTES = 32

/** The writer keeps one log per object and replicates it to whoever connects; the reader holds a full copy when it is done. */
async function start({ scratch, peer }) {
  const cores = new Map()
  let made = 0
  const server = net.createServer((socket) => {
    // The reader names the log it wants before replication begins.
    socket.once('readable', () => replicate(socket, cores.get(socket.read(KEY_BYTES).toString('hex')), false))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const keep = async (blocks) => {
    const core = new Hypercore(join(scratch, `core-${made++}`))
    await core.ready()
    for (let at = 0; at < blocks.length; at += BATCH_BLOCKS)
      await core.append(blocks.slice(at, at + BATCH_BLOCKS))
    cores.set(core.key.toString('hex'), core)
    return `${core.key.toString('hex')} ${core.length}`
  }
  const fetch = async (token, sink) => {
    const [key, length] = token.split(' ')
    const core = new Hypercore(join(scratch, `copy-${made++}`), Buffer.from(key, 'hex'))
    await core.ready()
    cores.set(key, core)
    const socket = net.connect(Number(peer), '127.0.0.1')
    socket.write(Buffer.from(key, 'hex'))
    replicate(socket, core, true)
    await core.update({ wait: true })
    await core.download({ start: 0, end: Number(length) }).done()
    for (let at = 0; at < Number(length); at++) sink.push(await core.get(at))
    socket.destroy()
  }
  return {
    version: versionOf('hypercore'),
    detached: [],
    address: String(server.address().port),
    put: (_, content) => keep(blocksOf(content)),
    get: (_, token, sink) => fetch(token, sink),
    putRecords: (_, records) => keep(records),
    getRecords: (_, token, sink) => fetch(token, sink),
    stop: async () => {
      server.close()
      for (const core of cores.values()) await core.close().catch(() => {})
    },
  }
}

function replicate(socket, core, isInitiator) {
  const stream = core.replicate(isInitiator)
  for (const end of [socket, stream]) end.on('error', () => {})
  socket.pipe(stream).pipe(socket)
}

function blocksOf(content) {
  const blocks = []
  for (let at = 0; at < content.length; at += BLOCK_BYTES) blocks.push(content.subarray(at, at + BLOCK_BYTES))
  return blocks
}

function versionOf(name) {
  return JSON.parse(readFileSync(new URL(`../node_modules/${name}/package.json`, import.meta.url), 'utf8'))
    .version
}

serve(start)
