import { systemRandom } from '../../crypto/random.ts'
import { layoutOf } from '../../fragment/layout.ts'
import { profileFor } from '../../fragment/profile.ts'
import { openRecord } from '../../light-node/get-record.ts'
import { putRecord } from '../../light-node/put-record.ts'
import { systemClock } from '../../sdk/clock.ts'
import { rolesOf } from '../../sdk/network/local-network.ts'
import type { NetworkFolder } from '../../sdk/network/network-folder.ts'
import type { LightNode } from '../../sdk/open-light-node.ts'
import { runningRole } from '../../sdk/roles/role.ts'
import { inMemory } from '../../sdk/sample/sample-patient.ts'
import { cpuSecondsOf, peakMiBOf, round } from './machine.ts'
import { measureStages, type Stages } from './stages.ts'

/** One shape put and got through real processes. Rates are of user data; the CPU is that of client and network together. */
export interface PutGetFigures {
  k: number
  n: number
  bytes: number
  fragments: number
  put: Passage
  get: Passage
  stages: Stages
  peakMiB: { client: number; node: number }
}

/** One direction. */
export interface Passage {
  seconds: number
  mbPerSecond: number
  fragmentsPerSecond: number
  cpuSecondsPerGB: number
}

const SETTLED_LOAD = 0.2
const SETTLE_STEP_MS = 1_000
const SETTLE_STEPS_MAX = 30

/** Waits until the network's processes together use less than a fifth of a core: they get to know each other after a start. */
export async function untilSettled(folder: NetworkFolder): Promise<void> {
  const pids = await processesOf(folder)
  const used = () => pids.reduce((sum, pid) => sum + cpuSecondsOf(pid), 0)
  for (let step = 0; step < SETTLE_STEPS_MAX; step++) {
    const before = used()
    await systemClock.sleep(SETTLE_STEP_MS)
    if (used() - before < (SETTLED_LOAD * SETTLE_STEP_MS) / 1000) return
  }
}

/** Puts and gets `bytes` random bytes with this shape and compares them. @throws XcareError as put and get; an Error when the bytes differ. */
export async function measurePutGet(
  node: LightNode,
  folder: NetworkFolder,
  shape: { k: number; n: number; bytes: number },
): Promise<PutGetFigures> {
  const { k, n, bytes } = shape
  const layout = layoutOf(bytes, k, n)
  const content = randomBytes(bytes)
  const pids = await processesOf(folder)
  let objectId: Awaited<ReturnType<typeof putRecord>>['objectId'] | null = null
  const put = await passage(pids, bytes, layout.stripes * n, async () => {
    const stored = await putRecord(
      node.ports,
      inMemory('bench', 'application/octet-stream', content),
      profileFor(k, n),
    )
    objectId = stored.objectId
  })
  const get = await passage(pids, bytes, layout.stripes * k, async () => {
    const opened = await openRecord(node.ports, objectId!, node.custodyKeyOf)
    let at = 0
    for await (const piece of opened.content) {
      if (
        !Buffer.from(piece.buffer, piece.byteOffset, piece.length).equals(
          content.subarray(at, at + piece.length),
        )
      )
        throw new Error(`byte ${at} and following differ`)
      at += piece.length
    }
  })
  const peaks = pids.filter((pid) => pid !== process.pid).map(peakMiBOf)
  return {
    ...{ k, n, bytes, fragments: layout.stripes * n, put, get, stages: await measureStages(layout) },
    peakMiB: { client: peakMiBOf(process.pid), node: Math.max(0, ...peaks) },
  }
}

function randomBytes(length: number): Uint8Array {
  const out = new Uint8Array(length)
  for (let at = 0; at < length; at += 65536) out.set(systemRandom.bytes(Math.min(65536, length - at)), at)
  return out
}

async function processesOf(folder: NetworkFolder): Promise<number[]> {
  const runs = await Promise.all((await rolesOf(folder)).map((role) => runningRole(role.folder)))
  return [process.pid, ...runs.flatMap((run) => (run ? [run.pid] : []))]
}

async function passage(
  pids: number[],
  bytes: number,
  fragments: number,
  work: () => Promise<void>,
): Promise<Passage> {
  const cpu = () => pids.reduce((sum, pid) => sum + cpuSecondsOf(pid), 0)
  const before = cpu()
  const start = performance.now()
  await work()
  const seconds = (performance.now() - start) / 1000
  return {
    seconds: round(seconds),
    mbPerSecond: round(bytes / 1e6 / seconds),
    fragmentsPerSecond: round(fragments / seconds),
    cpuSecondsPerGB: round((cpu() - before) / (bytes / 1e9)),
  }
}
