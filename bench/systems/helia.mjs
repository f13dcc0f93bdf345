import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import { unixfs } from '@helia/unixfs'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { FsBlockstore } from 'blockstore-fs'
import { FsDatastore } from 'datastore-fs'
import { createHeliaLight } from 'helia'
import { CID } from 'multiformats/cid'
import { inFlight, serve } from './serve.ts'

const SLICE_BYTES = 256 * 1024
const RECORDS_IN_FLIGHT = 16

/** One Helia node with blocks and records in files; the writer and the reader each run one in a process of their own. */
async function start({ scratch, peer }) {
  const helia = withBitswap(
    withLibp2pLight(
      createHeliaLight({
        blockstore: new FsBlockstore(join(scratch, 'blocks')),
        datastore: new FsDatastore(join(scratch, 'data')),
      }),
      {
        addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
        transports: [tcp()],
        connectionEncrypters: [noise()],
        streamMuxers: [yamux()],
        services: { identify: identify() },
      },
    ),
    {},
  )
  await helia.start()
  if (peer) await helia.libp2p.dial(multiaddr(peer))
  const fs = unixfs(helia)
  const cat = async (cid, sink) => {
    for await (const piece of fs.cat(CID.parse(cid))) sink.push(piece)
  }
  return {
    version: versionOf('helia'),
    detached: [],
    address: helia.libp2p.getMultiaddrs()[0].toString(),
    put: async (_, content) => (await fs.addByteStream(slices(content))).toString(),
    get: (_, token, sink) => cat(token, sink),
    putRecords: async (_, records) => {
      const cids = await inFlight(records, RECORDS_IN_FLIGHT, (record) => fs.addBytes(record))
      return cids.join(' ')
    },
    getRecords: async (_, token, sink) => {
      const records = await inFlight(token.split(' '), RECORDS_IN_FLIGHT, async (cid) => {
        const pieces = []
        for await (const piece of fs.cat(CID.parse(cid))) pieces.push(piece)
        return Buffer.concat(pieces)
      })
      for (const record of records) sink.push(record)
    },
    stop: () => helia.stop(),
  }
}

async function* slices(content) {
  for (let at = 0; at < content.length; at += SLICE_BYTES) yield content.subarray(at, at + SLICE_BYTES)
}

function versionOf(name) {
  return JSON.parse(readFileSync(new URL(`../node_modules/${name}/package.json`, import.meta.url), 'utf8'))
    .version
}

serve(start)
