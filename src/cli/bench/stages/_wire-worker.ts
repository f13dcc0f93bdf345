import { u32be } from '../../../bytes.ts'
import { systemRandom } from '../../../crypto/random.ts'
import { FRAME_BYTES_MAX, FRAME_IDLE_MS } from '../../../limits.ts'
import { startPeer } from '../../../net/peer.ts'
import { servePlainWire } from '../limits/plain-wire.ts'
import { type FarPlaces, WIRE_PROTOCOL } from './wire.ts'

/**
 * The far end of the wire stage: takes frames of one stream until its end, then says how many came; beside it the plain wires, in passes of
 * as many bytes as the argument says. Told anything, it tells the processor time it has used. Ends with its parent.
 */
const passBytes = Number(process.argv[2])
const peer = await startPeer({ seed: systemRandom.bytes(32), listen: ['/ip4/127.0.0.1/tcp/0'] })
await peer.handle(
  WIRE_PROTOCOL,
  async (stream) => {
    let frames = 0
    while ((await stream.read(FRAME_BYTES_MAX, FRAME_IDLE_MS)) !== null) frames++
    await stream.write(u32be(frames))
  },
  { maxInboundStreams: 4 },
)
const plain = { tcp: await servePlainWire('tcp', passBytes), tls: await servePlainWire('tls', passBytes) }
process.on('disconnect', () => process.exit(0))
process.on('SIGINT', () => {})
process.on('message', () => process.send?.(process.cpuUsage()))
process.send?.({
  wire: { nodeId: peer.nodeId, addresses: peer.addresses() },
  ...plain,
} satisfies FarPlaces)
