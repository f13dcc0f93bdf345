import type { MessageStream, Stream, StreamMuxer } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { AbstractStreamMuxer } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import { concat, u32be } from '../../src/bytes.ts'
import { Admission } from '../../src/net/admission.ts'
import { muxer } from '../../src/net/mux/muxer.ts'
import type { Peer } from '../../src/net/peer.ts'
import { rawTls } from '../../src/net/tls/raw-tls.ts'
import { TlsMessageStream } from '../../src/net/tls/tls-stream.ts'

export const [DATA, WINDOW, PING] = [0, 1, 2]
export const [SYN, ACK, FIN, RST] = [1, 2, 4, 8]

/** A frame of the muxer as it is on the wire. */
export function muxFrame(type: number, flags: number, stream: number, length: number): Uint8Array {
  return concat(new Uint8Array([0, type, 0, flags]), u32be(stream), u32be(length))
}

/** The frames of the muxer that were heard, without their bodies. */
export interface HeardFrame {
  type: number
  flags: number
  stream: number
  length: number
}

/**
 * A proven connection on which its holder says what it likes to the muxer of the other end, and reads only
 * when it wants to.
 */
export class RawConnection {
  readonly #node: Libp2p
  readonly #stream: TlsMessageStream
  readonly frames: HeardFrame[] = []
  #rest: Uint8Array = new Uint8Array(0)
  #wake: (() => void) | null = null

  private constructor(node: Libp2p, stream: TlsMessageStream) {
    this.#node = node
    this.#stream = stream
    stream.readDirectly((chunk) => this.#take(concat(this.#rest, chunk)))
    stream.addEventListener('close', () => this.#wake?.())
  }

  static async open(target: Peer): Promise<RawConnection> {
    const { promise, resolve } = Promise.withResolvers<MessageStream>()
    const node = await createLibp2p({
      ...{ transports: [tcp()], connectionEncrypters: [rawTls()] },
      streamMuxers: [
        () => ({
          protocol: '/yamux/1.0.0',
          createStreamMuxer(connection: MessageStream): StreamMuxer {
            resolve(connection)
            return new SilentMuxer(connection, { protocol: '/yamux/1.0.0', name: 'silent' })
          },
        }),
      ],
    })
    await node.dial(multiaddr(`${target.addresses()[0]}/p2p/${target.nodeId}`))
    const stream = await promise
    if (!(stream instanceof TlsMessageStream)) throw new Error('this connection has TLS on the socket')
    return new RawConnection(node, stream)
  }

  get isOpen(): boolean {
    return this.#stream.status === 'open'
  }

  /** Reads nothing more until `listen`. */
  deafen(): void {
    this.#stream.hold()
  }

  listen(): void {
    this.#stream.letGo()
  }

  /** Sends `bytes`; @returns whether the other end still takes them. */
  say(bytes: Uint8Array): boolean {
    return this.#stream.sendParts([bytes])
  }

  /** Resolves when `isTrue` of what was heard, or the connection has ended. */
  async hears(isTrue: () => boolean): Promise<void> {
    while (this.isOpen && !isTrue()) await new Promise<void>((resolve) => (this.#wake = resolve))
  }

  async close(): Promise<void> {
    await this.#node.stop()
  }

  #take(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    let at = 0
    while (at + 12 <= bytes.length) {
      const [type, length] = [bytes[at + 1]!, view.getUint32(at + 8)]
      const end = at + 12 + (type === DATA ? length : 0)
      if (end > bytes.length) break
      this.frames.push({ type, flags: bytes[at + 3]!, stream: view.getUint32(at + 4), length })
      at = end
    }
    this.#rest = bytes.slice(at)
    this.#wake?.()
  }
}

/** Opens nothing and answers nothing. */
class SilentMuxer extends AbstractStreamMuxer<never> {
  override onData(): void {}

  override onCreateStream(): never {
    throw new Error('a raw connection opens no streams')
  }
}

/** A fresh identity, on whose streams any bytes may be said, whole frames or not. */
export async function rawPeer(): Promise<Libp2p> {
  const admission = new Admission(
    () => 'stranger',
    () => performance.now(),
  )
  return createLibp2p({
    ...{ transports: [tcp()], connectionEncrypters: [rawTls()], streamMuxers: [muxer(admission)] },
  })
}

/** @returns a stream of `protocol` from a raw peer. */
export function rawStream(
  node: Libp2p,
  target: Pick<Peer, 'nodeId'> & { addresses(): string[] },
  protocol: string,
): Promise<Stream> {
  const address = target.addresses().find((one) => !one.endsWith('/ws'))
  return node.dialProtocol(multiaddr(`${address}/p2p/${target.nodeId}`), protocol)
}
