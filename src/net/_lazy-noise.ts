import type {
  ConnectionEncrypter,
  MessageStream,
  SecureConnectionOptions,
  SecuredConnection,
} from '@libp2p/interface'
import type { TlsComponents } from './tls/raw-tls.ts'

/** The library's noise encrypter, loaded when the first remote asks for it: nearly none does, and its start-up costs CPU. */
export function lazyNoise(): (components: TlsComponents) => ConnectionEncrypter {
  return (components) => new LazyNoise(components)
}

class LazyNoise implements ConnectionEncrypter {
  readonly protocol = '/noise'
  readonly [Symbol.toStringTag] = 'xcare/lazy-noise'
  readonly #components: TlsComponents
  #noise: Promise<ConnectionEncrypter> | null = null

  constructor(components: TlsComponents) {
    this.#components = components
  }

  async secureInbound(
    connection: MessageStream,
    options?: SecureConnectionOptions,
  ): Promise<SecuredConnection> {
    return (await this.#load()).secureInbound(connection, options)
  }

  async secureOutbound(
    connection: MessageStream,
    options?: SecureConnectionOptions,
  ): Promise<SecuredConnection> {
    return (await this.#load()).secureOutbound(connection, options)
  }

  #load(): Promise<ConnectionEncrypter> {
    this.#noise ??= import('@libp2p/noise').then(({ noise }) =>
      noise()(this.#components as Parameters<ReturnType<typeof noise>>[0]),
    )
    return this.#noise
  }
}
