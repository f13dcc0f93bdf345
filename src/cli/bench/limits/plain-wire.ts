import { once } from 'node:events'
import { type AddressInfo, connect as connectTcp, createServer, type Server, type Socket } from 'node:net'
import { connect as connectTls, createServer as createTlsServer, TLSSocket } from 'node:tls'
import { concat, u32be } from '../../../bytes.ts'
import { XcareError } from '../../../errors.ts'
import { DIAL_MS, FRAME_IDLE_MS } from '../../../limits.ts'
import { freshTlsIdentity, WRITE_BUFFER_BYTES } from '../../../net/tls/raw-tls.ts'

const LOOPBACK = '127.0.0.1'
const ANSWER_BYTES = 4

/** Ways of this system to bring bytes from one process to another, with nothing of ours in between. */
export const PLAIN_WIRES = ['tcp', 'tls'] as const
/** One of them. */
export type PlainWireKind = (typeof PLAIN_WIRES)[number]

/** Where the far end listens, and whom it will show itself as; null over plain TCP. */
export interface PlainWirePlace {
  port: number
  cert: string | null
}

/** The far end: counts what comes, and whenever a pass of `passBytes` is full it answers with the count (u32). */
export async function servePlainWire(kind: PlainWireKind, passBytes: number): Promise<PlainWirePlace> {
  const identity = kind === 'tls' ? await freshTlsIdentity() : null
  const count = (socket: Socket) => countPasses(socket, passBytes)
  const server: Server = identity
    ? createTlsServer({ ...identity, minVersion: 'TLSv1.3', noDelay: true }, count)
    : createServer({ noDelay: true }, count)
  server.listen(0, LOOPBACK)
  await once(server, 'listening')
  // Nothing else ends it; it must not keep a process that is done.
  server.unref()
  return { port: (server.address() as AddressInfo).port, cert: identity?.cert ?? null }
}

function countPasses(socket: Socket, passBytes: number): void {
  let came = 0
  socket.on('data', ({ length }) => {
    came += length
    if (came < passBytes) return
    socket.write(u32be(came))
    came = 0
  })
  // Whoever sent sees its end of the connection close.
  socket.on('error', () => socket.destroy())
}

/** The near end of one connection; passes follow each other on it. */
export class PlainWire {
  readonly #socket: Socket
  #isReady = false
  #answer: Uint8Array = new Uint8Array(0)
  #wake: () => void = () => {}

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on(socket instanceof TLSSocket ? 'secureConnect' : 'connect', () => {
      this.#isReady = true
      this.#wake()
    })
    socket.on('drain', () => this.#wake())
    socket.on('data', (bytes) => {
      this.#answer = concat(this.#answer, bytes)
      this.#wake()
    })
    // Told by `errored`; without a listener it would end the process.
    socket.on('error', () => {})
    socket.on('close', () => this.#wake())
  }

  /** Connects, and over TLS shakes hands. @throws XcareError OFFLINE, TIMEOUT, INTEGRITY when another one answered or not in TLS 1.3. */
  static async open({ port, cert }: PlainWirePlace): Promise<PlainWire> {
    // As much may wait as on our own wire.
    const to = { host: LOOPBACK, port, noDelay: true, highWaterMark: WRITE_BUFFER_BYTES }
    // Self-signed, for this measurement: compared below with what the far end said of itself.
    const tls = { minVersion: 'TLSv1.3', rejectUnauthorized: false } as const
    const wire = new PlainWire(cert === null ? connectTcp(to) : connectTls({ ...to, ...tls }))
    try {
      await wire.#within(DIAL_MS, () => wire.#until(() => wire.#isReady))
      wire.#checkIdentity(cert)
    } catch (error) {
      wire.close()
      throw error
    }
    return wire
  }

  /** What the handshake agreed on, such as `TLSv1.3, TLS_AES_256_GCM_SHA384`; empty over plain TCP. */
  get agreed(): string {
    const socket = this.#socket
    return socket instanceof TLSSocket ? `${socket.getProtocol()}, ${socket.getCipher().standardName}` : ''
  }

  /**
   * Writes so many times `block`, one write each, and waits for the answer.
   * @returns bytes that the far end counted: all together those of one pass, as it was told when it started.
   * @throws XcareError OFFLINE, TIMEOUT when nothing moved for `idleMs`.
   */
  async carry(block: Uint8Array, times: number, idleMs: number = FRAME_IDLE_MS): Promise<number> {
    await this.#within(idleMs, async () => {
      for (let at = 0; at < times; at++)
        if (!this.#socket.write(block)) await this.#until(() => !this.#socket.writableNeedDrain)
      await this.#until(() => this.#answer.length >= ANSWER_BYTES)
    })
    const { buffer, byteOffset } = this.#answer
    this.#answer = this.#answer.subarray(ANSWER_BYTES)
    return new DataView(buffer, byteOffset).getUint32(0)
  }

  /** Closes the connection at once. */
  close(): void {
    this.#socket.destroy()
  }

  #checkIdentity(cert: string | null): void {
    const socket = this.#socket
    if (cert === null || !(socket instanceof TLSSocket)) return
    const shown = socket.getPeerX509Certificate()?.toString()
    if (shown !== cert || socket.getProtocol() !== 'TLSv1.3' || socket.isSessionReused())
      throw new XcareError('INTEGRITY', 'the far end did not shake hands as it said')
  }

  /** Gives up when nothing moves for `idleMs`: the socket's own timer, which costs nothing for each wait. */
  async #within(idleMs: number, work: () => Promise<void>): Promise<void> {
    const socket = this.#socket
    const giveUp = () =>
      socket.destroy(new XcareError('TIMEOUT', `nothing moved on a plain connection for ${idleMs} ms`))
    socket.setTimeout(idleMs, giveUp)
    try {
      await work()
    } finally {
      socket.setTimeout(0, giveUp)
    }
  }

  async #until(holds: () => boolean): Promise<void> {
    for (;;) {
      // First: a destroyed socket waits for no drain either.
      if (this.#socket.destroyed) throw this.#problem()
      if (holds()) return
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
  #problem(): XcareError {
    const cause = this.#socket.errored
    if (cause instanceof XcareError) return cause
    return new XcareError('OFFLINE', 'the plain connection was closed by its far end', { cause })
  }
}
