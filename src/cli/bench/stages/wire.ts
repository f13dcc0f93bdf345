import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { concat } from '../../../bytes.ts'
import { systemRandom } from '../../../crypto/random.ts'
import { XcareError } from '../../../errors.ts'
import { fragmentBytesOf } from '../../../fragment/layout.ts'
import { DIAL_MS, FRAME_IDLE_MS } from '../../../limits.ts'
import { type Peer, startPeer } from '../../../net/peer.ts'
import type { PeerAddress } from '../../../ports.ts'
import type { ApartBench, ApartStage } from '../apart/apart.ts'
import { LIMITS_GROUP } from '../limits/floors.ts'
import { PlainWire, type PlainWireKind, type PlainWirePlace } from '../limits/plain-wire.ts'
import type { Settings } from '../report-shape.ts'

/** The protocol of this measurement; nothing else speaks it. */
export const WIRE_PROTOCOL = '/xcare/bench-wire/1.0.0'

/** How the far end can be reached: over our own transport, and over each plain wire. */
export interface FarPlaces extends Record<PlainWireKind, PlainWirePlace> {
  wire: PeerAddress
}

const WORKER = fileURLToPath(new URL('./_wire-worker.ts', import.meta.url))
const MIB = 1024 * 1024

/**
 * What one connection between two processes carries: frames of one fragment each, over the same transport as everything else; and in the same
 * rounds the same bytes over plain TCP and over Node's TLS, in writes as long as the frames: the limits of this machine.
 */
export const wire: ApartStage = {
  name: 'wire',
  title: 'one connection between two processes, beside plain TCP and TLS',
  seconds: { quick: 3, full: 9 },
  run: (bench) => measureWires(bench, (bench.settings.mode === 'full' ? 256 : 64) * MIB),
}

/** @param bytes carried in each pass, at least; whole frames. */
export async function measureWires(bench: ApartBench, bytes: number): Promise<void> {
  const { settings, progress } = bench
  const pass = passOf(settings, bytes)
  const far = new FarEnd(pass.frames * pass.block.length)
  const peer = await startPeer({ seed: systemRandom.bytes(32), listen: [] })
  const open: PlainWire[] = []
  try {
    const places = await far.places()
    for (const place of [places.tcp, places.tls]) open.push(await PlainWire.open(place))
    const [tcp, tls] = open as [PlainWire, PlainWire]
    const ways: Way[] = [
      { name: 'wire', carry: () => carryFrames(peer, places.wire, pass) },
      { name: 'tcp', carry: () => carryPlain(tcp, pass) },
      { name: 'tls', carry: () => carryPlain(tls, pass) },
    ]
    for (let repeat = 0; repeat <= settings.repeats; repeat++) {
      progress(repeat / (settings.repeats + 1), `${bytes / MIB} MiB`)
      const round: Partial<Record<Way['name'], Carried>> = {}
      // Each round begins with another one.
      for (let at = 0; at < ways.length; at++) {
        const way = ways[(repeat + at) % ways.length]!
        round[way.name] = await timed(far, pass, way)
      }
      // The first round warms up both ends.
      if (repeat > 0) addRound(bench, round as Record<Way['name'], Carried>, tls.agreed)
    }
  } finally {
    for (const connection of open) connection.close()
    await peer.stop()
    far.end()
  }
}

/** What is carried once: so many times the same bytes. */
interface Pass {
  frames: number
  block: Uint8Array
}

interface Way {
  name: 'wire' | PlainWireKind
  /** Brings one pass to the far end, and returns when that has told that it is there. */
  carry(): Promise<void>
}

/** MB/s, and CPU-s/GB of both ends together. */
interface Carried {
  rate: number
  cpu: number
}

function passOf({ fragmentSize }: Settings, bytes: number): Pass {
  const frameBytes = fragmentBytesOf({ shardBytes: fragmentSize })
  const random = systemRandom.bytes(Math.min(frameBytes, 65_536))
  const block = concat(random, new Uint8Array(frameBytes - random.length))
  return { frames: Math.ceil(bytes / frameBytes), block }
}

async function timed(far: FarEnd, { frames, block }: Pass, { carry }: Way): Promise<Carried> {
  const bytes = frames * block.length
  const before = await far.cpuSecondsOfBoth()
  const start = performance.now()
  await carry()
  const seconds = (performance.now() - start) / 1000
  const used = (await far.cpuSecondsOfBoth()) - before
  return { rate: bytes / 1e6 / seconds, cpu: used / (bytes / 1e9) }
}

async function carryFrames(peer: Peer, to: PeerAddress, { frames, block }: Pass): Promise<void> {
  const stream = await peer.open(to, WIRE_PROTOCOL, AbortSignal.timeout(DIAL_MS))
  for (let at = 0; at < frames; at++) await stream.write(block)
  await stream.close()
  const answer = await stream.read(16, FRAME_IDLE_MS)
  const came = answer ? new DataView(answer.buffer, answer.byteOffset).getUint32(0) : 0
  if (came !== frames) throw new XcareError('INTEGRITY', `${came} of ${frames} frames came through`)
}

async function carryPlain(plain: PlainWire, { frames, block }: Pass): Promise<void> {
  const came = await plain.carry(block, frames)
  const sent = frames * block.length
  if (came !== sent) throw new XcareError('INTEGRITY', `${came} of ${sent} bytes came through`)
}

function addRound({ draft }: ApartBench, round: Record<Way['name'], Carried>, agreed: string): void {
  const labels: Record<Way['name'], [group: string, what: string]> = {
    wire: ['stage', 'our wire, one connection'],
    tcp: [LIMITS_GROUP, 'plain TCP, one connection'],
    tls: [LIMITS_GROUP, `Node’s TLS (${agreed}), one connection`],
  }
  for (const name of ['tcp', 'tls', 'wire'] as const) {
    const [group, what] = labels[name]
    const of = name === 'wire' ? 'frames' : 'writes'
    const { rate, cpu } = round[name]
    draft.add(
      { id: `stage/${name}`, group, label: `${what}, ${of} of one fragment`, unit: 'MB/s', better: 'higher' },
      rate,
    )
    draft.add(
      {
        id: `stage/${name}/cpu`,
        group,
        label: `${what}, CPU of both ends`,
        unit: 'CPU-s/GB',
        better: 'lower',
      },
      cpu,
    )
  }
  draft.add(
    {
      id: 'stage/wire/of-tls',
      group: 'stage',
      label: 'our wire, its rate over that of Node’s TLS in the same round',
      unit: '×',
      better: 'higher',
    },
    round.wire.rate / round.tls.rate,
  )
}

/** The other process. */
class FarEnd {
  readonly #child: ChildProcess

  constructor(passBytes: number) {
    this.#child = fork(WORKER, [String(passBytes)], {
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
  }

  /** @returns where it can be reached, once it can. */
  async places(): Promise<FarPlaces> {
    return this.#answer<FarPlaces>()
  }

  /** @returns processor time, user and system, that both processes have used so far, in seconds. */
  async cpuSecondsOfBoth(): Promise<number> {
    const answer = this.#answer<NodeJS.CpuUsage>()
    this.#child.send('cpu')
    const far = await answer
    const near = process.cpuUsage()
    return (far.user + far.system + near.user + near.system) / 1e6
  }

  end(): void {
    if (this.#child.connected) this.#child.disconnect()
    else this.#child.kill('SIGKILL')
  }

  async #answer<T>(): Promise<T> {
    const gone = new AbortController()
    const onExit = () => gone.abort()
    this.#child.once('exit', onExit)
    try {
      const signal = AbortSignal.any([gone.signal, AbortSignal.timeout(FRAME_IDLE_MS)])
      const [answer] = (await once(this.#child, 'message', { signal })) as [T]
      return answer
    } catch (cause) {
      throw new XcareError('INTERNAL', 'the far end of the wire stage did not answer', { cause })
    } finally {
      this.#child.removeListener('exit', onExit)
    }
  }
}
