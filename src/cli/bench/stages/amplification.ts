import { nodeStatus } from '../../../sdk/roles/node-status.ts'
import type { BenchClient, KeptRecord } from '../client.ts'
import type { Requests } from '../meter.ts'
import type { BenchNetwork } from '../network.ts'
import { sizeLabel } from '../options.ts'
import type { ProxyProcess } from '../proxy/proxy-process.ts'
import { type Bench, fits, type Stage, shapeId, smallShape } from '../stage.ts'

const KIB = 1024
/** Counts hardly vary. */
const REPEATS_MAX = 3
const SIZES = { quick: [4 * KIB, 1024 * KIB], full: [4 * KIB, 64 * KIB, 1024 * KIB] }

interface Count {
  wireBytes: number
  requests: Requests
}

/** What a record costs beyond its bytes: on disk, on the wire, and in requests. Bytes on the wire are counted by a proxy that delays nothing. */
export const amplification: Stage = {
  name: 'amplification',
  title: 'bytes stored and sent for a byte, requests for a record',
  seconds: { quick: 4, full: 12 },
  needsNetwork: true,
  async run(bench) {
    const { settings, network, progress } = bench
    const connected = await network.connect('loopback', settings.fragmentSize, true)
    try {
      const shapes = [...new Set([settings.shapes[0]!, smallShape(settings)])].filter((shape) =>
        fits(shape, settings.nodes),
      )
      for (const [at, shape] of shapes.entries()) {
        // Once before: connections are open, as in a client that stays.
        await connected.client.get(
          await connected.client.put(SIZES.quick[0]!, connected.client.profile(shape.k, shape.n)),
        )
        for (const bytes of SIZES[settings.mode]) {
          progress(at / shapes.length, `${shape.k}/${shape.n} ${sizeLabel(bytes)}`)
          let stored = await storedBytes(network)
          for (let repeat = 0; repeat < Math.min(REPEATS_MAX, settings.repeats); repeat++)
            stored = await countOne(bench, connected.client, connected.proxy!, { ...shape, bytes }, stored)
        }
      }
    } finally {
      await network.disconnect(connected)
    }
  },
}

/** @param storedBefore bytes on the nodes' disks. @returns the same afterwards. */
async function countOne(
  bench: Bench,
  client: BenchClient,
  proxy: ProxyProcess,
  cell: { k: number; n: number; bytes: number },
  storedBefore: number,
): Promise<number> {
  const { k, n, bytes } = cell
  let kept: KeptRecord | null = null
  const put = await count(client, proxy, async () => {
    kept = await client.put(bytes, client.profile(k, n))
  })
  const storedAfter = await storedBytes(bench.network)
  const get = await count(client, proxy, async () => {
    await client.get(kept!)
  })
  addCounts(bench, cell, { stored: storedAfter - storedBefore, put, get })
  return storedAfter
}

function addCounts(
  { draft }: Bench,
  { k, n, bytes }: { k: number; n: number; bytes: number },
  { stored, put, get }: { stored: number; put: Count; get: Count },
): void {
  const head = (name: string, label: string, unit: string) => ({
    id: `amplification/${name}/${shapeId({ k, n })}/${bytes}`,
    ...{
      group: 'amplification',
      label: `${k}/${n} ${sizeLabel(bytes)}: ${label}`,
      unit,
      better: 'lower' as const,
      shape: `${k}/${n}`,
      bytes,
    },
  })
  draft.add(head('stored', 'bytes on the disks of the nodes for a byte', '×'), stored / bytes)
  for (const [way, { wireBytes, requests }] of Object.entries({ put, get })) {
    draft.add(head(`wire-${way}`, `bytes on the wire for a byte, ${way}`, '×'), wireBytes / bytes)
    draft.add(head(`streams-${way}`, `streams of one ${way}`, 'streams'), requests.streams)
    draft.add(head(`turns-${way}`, `round trips of one ${way}, all streams`, 'round trips'), requests.turns)
    draft.add(
      head(`frames-${way}`, `frames of one ${way}, both ways`, 'frames'),
      requests.framesOut + requests.framesIn,
    )
    draft.add(
      head(`ledger-${way}`, `questions and transactions to the chain of one ${way}`, 'requests'),
      requests.ledgerReads + requests.ledgerSubmits,
    )
  }
}

async function count(client: BenchClient, proxy: ProxyProcess, work: () => Promise<void>): Promise<Count> {
  client.meter.reset()
  const before = await proxy.total()
  await work()
  const after = await proxy.total()
  const wireBytes = after.upBytes + after.downBytes - before.upBytes - before.downBytes
  return { wireBytes, requests: client.meter.requests }
}

/** What the storage nodes say they use, all together. */
async function storedBytes(network: BenchNetwork): Promise<number> {
  const roles = [...(await network.nodesById()).values()]
  const counters = await Promise.all(roles.map(({ folder }) => nodeStatus(folder)))
  return counters.reduce((sum, { usedBytes }) => sum + usedBytes, 0)
}
