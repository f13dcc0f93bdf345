import { u32be } from '../../../bytes.ts'
import { systemRandom } from '../../../crypto/random.ts'
import { FRAME_BYTES_MAX, FRAME_IDLE_MS } from '../../../limits.ts'
import { startPeer } from '../../../net/peer.ts'
import { WIRE_PROTOCOL } from './wire.ts'

/** The far end of the wire stage: takes frames of one stream until its end, then says how many came. Ends with its parent. */
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
process.on('disconnect', () => process.exit(0))
process.on('SIGINT', () => {})
process.send?.({ nodeId: peer.nodeId, addresses: peer.addresses() })
