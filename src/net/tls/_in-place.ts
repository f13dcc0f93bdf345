import type { TLSSocket } from 'node:tls'

/** The most that one TLS record brings. */
const RECORD_BYTES = 16 * 1024

/** Where what was received last stands, of whatever socket: one record is handed on before the next one is decrypted. */
const record = new Uint8Array(RECORD_BYTES)

/** What the sockets of Node have beside their types: `onread` of `net.connect`, which it does not offer for a socket that is wrapped. */
interface ReceivingHandle {
  useUserBuffer?(memory: Uint8Array): void
}

/**
 * Has what `socket` decrypts from now on written into the same memory over and over and handed to `take`, where each record would else
 * be memory of its own, made for it and left to the collector. 'data' events, which must have a listener, bring what waits already,
 * and what comes before that is read. Why: docs/adr/0104-records-in-place.md.
 * @param take gets a view that is good until it returns; it must not throw. @returns false where this version of Node has no way to do it.
 */
export function readInPlace(socket: TLSSocket, take: (chunk: Uint8Array) => void): boolean {
  const handle = (socket as { _handle?: ReceivingHandle | null })._handle
  const memory = hidden(socket, 'kBuffer')
  const callback = hidden(socket, 'kBufferCb')
  if (!memory || !callback || typeof handle?.useUserBuffer !== 'function') return false
  const receiving = socket as unknown as Record<symbol, unknown>
  receiving[memory] = record
  receiving[callback] = (count: number) => {
    const chunk = count === RECORD_BYTES ? record : record.subarray(0, count)
    if (socket.readableLength === 0) take(chunk)
    else socket.push(new Uint8Array(chunk))
  }
  handle.useUserBuffer(record)
  return true
}

function hidden(socket: TLSSocket, name: string): symbol | undefined {
  return Object.getOwnPropertySymbols(socket).find(({ description }) => description === name)
}
