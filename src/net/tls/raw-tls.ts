import { Socket } from 'node:net'
import { connect, createSecureContext, type SecureContext, TLSSocket, type TLSSocketOptions } from 'node:tls'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type {
  ComponentLogger,
  ConnectionEncrypter,
  MessageStream,
  PrivateKey,
  SecureConnectionOptions,
  SecuredConnection,
  StreamMuxerFactory,
  Upgrader,
} from '@libp2p/interface'
import { concat } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import { OneATurn } from '../one-a-turn.ts'
import { createTlsIdentity, peerOfCertificate, type TlsIdentity } from './_certificate.ts'
import { TlsMessageStream } from './tls-stream.ts'

const PROTOCOL = '/tls/1.0.0'
/** ALPN name of a peer that does not choose its muxer during the handshake. */
const NO_MUXER = 'libp2p'
/** Plain bytes that may wait in the TLS socket before the muxer is told to stop. */
export const WRITE_BUFFER_BYTES = 512 * 1024
const NOTHING = new Uint8Array(0)

/** What the encrypter takes from the peer it runs in. */
export interface TlsComponents {
  privateKey: PrivateKey
  logger: ComponentLogger
  upgrader: Pick<Upgrader, 'getStreamMuxers'>
}

/** Node takes the stream's buffer size here too, though its types do not say so. */
type WrapOptions = TLSSocketOptions & { highWaterMark: number }

/** The library's TCP connection, as far as we look into it. */
interface SocketConnection extends MessageStream {
  socket?: unknown
  readBuffer?: { byteLength: number; subarray(): Uint8Array; consume(count: number): void }
}

/**
 * TLS 1.3 by the libp2p specification, `/tls/1.0.0`, on the TCP socket itself: the record layer runs in native code and
 * no byte is copied through a JavaScript stream. Connections without a TCP socket get the library's implementation.
 * Spec: docs/spec/transport.md section 2; why: docs/adr/0060-tls-on-the-raw-socket.md.
 */
export function rawTls(): (components: TlsComponents) => ConnectionEncrypter {
  return (components) => new RawTls(components)
}

/** @returns the key and certificate, PEM, of a peer that nobody knows: what plain TLS needs to be measured beside ours. Peers make their own. */
export async function freshTlsIdentity(): Promise<TlsIdentity> {
  return createTlsIdentity(await generateKeyPair('Ed25519'))
}

class RawTls implements ConnectionEncrypter {
  readonly protocol = PROTOCOL
  readonly [Symbol.toStringTag] = 'xcare/raw-tls'
  readonly #components: TlsComponents
  readonly #handshakes = new OneATurn()
  #context: Promise<SecureContext> | null = null

  constructor(components: TlsComponents) {
    this.#components = components
  }

  secureInbound(connection: MessageStream, options?: SecureConnectionOptions): Promise<SecuredConnection> {
    return this.#secure(connection, true, options ?? {})
  }

  secureOutbound(connection: MessageStream, options?: SecureConnectionOptions): Promise<SecuredConnection> {
    return this.#secure(connection, false, options ?? {})
  }

  async #secure(
    connection: SocketConnection,
    isServer: boolean,
    options: SecureConnectionOptions,
  ): Promise<SecuredConnection> {
    const raw = connection.socket
    if (!(raw instanceof Socket) || !connection.readBuffer)
      return this.#library(connection, isServer, options)
    this.#context ??= this.#createContext()
    const secureContext = await this.#context
    await this.#handshakes.pass()
    await takeOver(raw, connection)
    const muxers =
      options.skipStreamMuxerNegotiation === true ? null : this.#components.upgrader.getStreamMuxers()
    let muxer: StreamMuxerFactory | undefined
    const socket = wrap(raw, isServer, {
      secureContext,
      isServer,
      requestCert: true,
      // Self-signed by design; the identity inside is checked below.
      rejectUnauthorized: false,
      minVersion: 'TLSv1.3',
      maxVersion: 'TLSv1.3',
      highWaterMark: WRITE_BUFFER_BYTES,
      ALPNProtocols: [...(muxers?.keys() ?? []), NO_MUXER],
      ALPNCallback: ({ protocols }) => {
        const chosen = protocols.find((name) => muxers?.has(name) || name === NO_MUXER)
        muxer = chosen === undefined ? undefined : muxers?.get(chosen)
        return chosen
      },
    })
    try {
      await handshake(socket, raw, options.signal)
      // What the end of a handshake sets going, here and in the library, is several ms of work.
      await this.#handshakes.pass()
      const remotePeer = await peerOfCertificate(socket.getPeerX509Certificate(), Date.now())
      if (options.remotePeer && !options.remotePeer.equals(remotePeer))
        throw new XcareError('INTEGRITY', `node ${options.remotePeer} was called, ${remotePeer} answered`)
      if (!isServer && socket.alpnProtocol) muxer = muxers?.get(socket.alpnProtocol)
      return { remotePeer, connection: new TlsMessageStream(connection, socket), streamMuxer: muxer }
    } catch (error) {
      socket.destroy()
      connection.abort(error as Error)
      throw error
    }
  }

  /** One key and certificate for the life of the peer: making one for each connection costs more than the handshake. */
  async #createContext(): Promise<SecureContext> {
    const identity = await createTlsIdentity(this.#components.privateKey)
    return createSecureContext({ ...identity, minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' })
  }

  async #library(
    connection: MessageStream,
    isServer: boolean,
    options: SecureConnectionOptions,
  ): Promise<SecuredConnection> {
    const { tls } = await import('@libp2p/tls')
    const encrypter = tls()(this.#components as Parameters<ReturnType<typeof tls>>[0])
    return isServer
      ? encrypter.secureInbound(connection, options)
      : encrypter.secureOutbound(connection, options)
  }
}

/** Stops the library from reading the socket and gives back what it has read too far. */
async function takeOver(raw: Socket, connection: SocketConnection): Promise<void> {
  // The answer of the protocol negotiation may still be queued; it must leave before the first TLS byte.
  await new Promise<void>((resolve, reject) => {
    raw.write(NOTHING, (error) => (error ? reject(error) : resolve()))
  })
  if (raw.destroyed) throw new XcareError('OFFLINE', 'the connection was cut before the handshake')
  raw.removeAllListeners('data')
  raw.pause()
  const buffer = connection.readBuffer!
  if (buffer.byteLength === 0) return
  raw.unshift(concat(buffer.subarray()))
  buffer.consume(buffer.byteLength)
}

function wrap(raw: Socket, isServer: boolean, options: WrapOptions): TLSSocket {
  return isServer ? new TLSSocket(raw, options) : connect({ ...options, socket: raw })
}

async function handshake(socket: TLSSocket, raw: Socket, signal: AbortSignal | undefined): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const onAbort = () => reject(new XcareError('TIMEOUT', 'the TLS handshake took too long'))
  const onClose = () => reject(new XcareError('OFFLINE', 'the connection was cut during the TLS handshake'))
  // Stays for ever: an error event without a listener would end the process.
  socket.on('error', reject)
  socket.once('secure', resolve)
  socket.once('close', onClose)
  raw.once('close', onClose)
  signal?.addEventListener('abort', onAbort)
  if (signal?.aborted) onAbort()
  try {
    await promise
  } finally {
    socket.removeListener('close', onClose)
    raw.removeListener('close', onClose)
    signal?.removeEventListener('abort', onAbort)
  }
}
