import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { systemRandom } from '../../../crypto/random.ts'
import { XcareError } from '../../../errors.ts'
import { fragmentBytesOf } from '../../../fragment/layout.ts'
import { DIAL_MS, FRAME_IDLE_MS } from '../../../limits.ts'
import { type Peer, startPeer } from '../../../net/peer.ts'
import type { PeerAddress } from '../../../ports.ts'
import type { ApartStage } from '../apart/apart.ts'
import { cpuBetween, cpuSecondsBy } from '../machine/processes.ts'

/** The protocol of this measurement; nothing else speaks it. */
export const WIRE_PROTOCOL = '/xcare/bench-wire/1.0.0'

const WORKER = fileURLToPath(new URL('./_wire-worker.ts', import.meta.url))
const MIB = 1024 * 1024

/** What one connection between two processes carries: frames of one fragment each, over the same transport as everything else. */
export const wire: ApartStage = {
  name: 'wire',
  title: 'one connection between two processes',
  seconds: { quick: 4, full: 8 },
  async run({ settings, draft, progress }) {
    const bytes = (settings.mode === 'full' ? 256 : 64) * MIB
    const child = fork(WORKER, { execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    const peer = await startPeer({ seed: systemRandom.bytes(32), listen: [] })
    try {
      const to = await addressOf(child)
      for (let repeat = 0; repeat <= settings.repeats; repeat++) {
        progress(repeat / (settings.repeats + 1), `${bytes / MIB} MiB`)
        const { rate, cpu } = await carry(peer, to, child.pid!, {
          bytes,
          frameBytes: fragmentBytesOf({ shardBytes: settings.fragmentSize }),
        })
        // The first round warms up both ends.
        if (repeat === 0) continue
        draft.add(
          {
            id: 'stage/wire',
            group: 'stage',
            label: 'one connection, frames of one fragment',
            unit: 'MB/s',
            better: 'higher',
          },
          rate,
        )
        draft.add(
          {
            id: 'stage/wire/cpu',
            group: 'stage',
            label: 'one connection, CPU of both ends',
            unit: 'CPU-s/GB',
            better: 'lower',
          },
          cpu,
        )
      }
    } finally {
      await peer.stop()
      if (child.connected) child.disconnect()
      else child.kill('SIGKILL')
    }
  },
}

async function addressOf(child: ChildProcess): Promise<PeerAddress> {
  return new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(message as PeerAddress))
    child.once('exit', () =>
      reject(new XcareError('INTERNAL', 'the far end of the wire stage ended by itself')),
    )
  })
}

async function carry(
  peer: Peer,
  to: PeerAddress,
  farPid: number,
  { bytes, frameBytes }: { bytes: number; frameBytes: number },
): Promise<{ rate: number; cpu: number | null }> {
  const stream = await peer.open(to, WIRE_PROTOCOL, AbortSignal.timeout(DIAL_MS))
  const frames = Math.ceil(bytes / frameBytes)
  const processes = { client: [process.pid], nodes: [farPid], guardians: [], chain: [], proxy: [] }
  const frame = systemRandom.bytes(frameBytes > 65_536 ? 65_536 : frameBytes)
  const rest = new Uint8Array(frameBytes - frame.length)
  const before = cpuSecondsBy(processes)
  const start = performance.now()
  for (let at = 0; at < frames; at++) await stream.write(frame, rest)
  await stream.close()
  const answer = await stream.read(16, FRAME_IDLE_MS)
  const seconds = (performance.now() - start) / 1000
  const came = answer ? new DataView(answer.buffer, answer.byteOffset).getUint32(0) : 0
  if (came !== frames) throw new XcareError('INTEGRITY', `${came} of ${frames} frames came through`)
  const used = cpuBetween(before, cpuSecondsBy(processes))
  const carried = frames * frameBytes
  return { rate: carried / 1e6 / seconds, cpu: used && used.all / (carried / 1e9) }
}
