import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { signingKeyFromSeed } from '../../src/crypto/sign.ts'
import type { NodeId } from '../../src/ids.ts'
import { FRAME_BYTES_MAX } from '../../src/limits.ts'
import type { FrameStream } from '../../src/ports.ts'
import { FragmentStore } from '../../src/storage-node/fragment-store.ts'
import { serveFragments } from '../../src/storage-node/serve.ts'
import type { ServeParts } from '../../src/storage-node/serve-parts.ts'
import { StreamGate } from '../../src/storage-node/stream-gate.ts'
import {
  type ClientMessage,
  CreditWindow,
  decodeNodeFrame,
  encodeFrame,
  type NodeMessage,
} from '../../src/wire/fragment-protocol.ts'
import { framePair } from './frame-pair.ts'
import { AUDIENCE, type MadeObject, openPutOf, seededBytes } from './made-object.ts'

export const NODE_KEY = signingKeyFromSeed(seededBytes(99, 32))

/** A node without a network: real disk thread, streams in memory. */
export class ServedNode {
  readonly path: string
  readonly parts: ServeParts
  /** Owner of every object on the chain whose name is asked for. */
  anchoredOwner: Uint8Array | null = null
  readonly completed: { column: number }[] = []
  readonly #ends: Promise<Error | null>[] = []
  readonly #clients: FrameStream[] = []

  private constructor(path: string, store: FragmentStore) {
    this.path = path
    const onComplete = (column: { column: number }) => void this.completed.push(column)
    this.parts = {
      store,
      audience: AUDIENCE,
      key: NODE_KEY,
      gate: new StreamGate(),
      version: '0',
      anchoredOwner: async () => this.anchoredOwner,
      chain: () => ({ chainSeenMs: 0, registered: false }),
      onComplete,
    }
  }

  static async start({
    quotaBytes = 1e9,
    path = mkdtempSync(join(tmpdir(), 'xcare-node-')),
  } = {}): Promise<ServedNode> {
    return new ServedNode(path, await FragmentStore.open({ path, quotaBytes, audience: AUDIENCE }))
  }

  connect(peer = `client ${this.#clients.length}`): TestClient {
    const [client, node] = framePair(peer as NodeId)
    this.#clients.push(client)
    const end = serveFragments(node, this.parts).then(
      async () => {
        await node.close()
        return null
      },
      (error: Error) => {
        node.abort(error)
        return error
      },
    )
    this.#ends.push(end)
    return new TestClient(client)
  }

  /** Ends every stream. @returns how they ended on the node's side: null for a clean end. */
  async hangUp(): Promise<(Error | null)[]> {
    for (const client of this.#clients) await client.close()
    return Promise.all(this.#ends)
  }

  async stop({ keep = false } = {}): Promise<void> {
    await this.hangUp()
    await this.parts.store.close()
    if (!keep) rmSync(this.path, { recursive: true, force: true })
  }
}

/** The client's end, one message at a time. */
export class TestClient {
  readonly stream: FrameStream

  constructor(stream: FrameStream) {
    this.stream = stream
  }

  async send(message: ClientMessage): Promise<void> {
    await this.stream.write(...encodeFrame(message))
  }

  async next(): Promise<NodeMessage | null> {
    // Only a fault takes longer, however busy the machine is.
    const frame = await this.stream.read(FRAME_BYTES_MAX, 50_000)
    return frame === null ? null : decodeNodeFrame(frame)
  }

  /** @returns the next message that is no ACK. */
  async answer(): Promise<NodeMessage | null> {
    for (;;) {
      const message = await this.next()
      if (message?.op !== 'ACK') return message
    }
  }

  async ask(message: ClientMessage): Promise<NodeMessage | null> {
    await this.send(message)
    return this.answer()
  }

  /** @returns every message up to END, ERR or the end. */
  async collect(message: ClientMessage): Promise<NodeMessage[]> {
    await this.send(message)
    const all: NodeMessage[] = []
    for (;;) {
      const next = await this.next()
      if (next === null) return all
      all.push(next)
      if (next.op === 'END' || next.op === 'ERR') return all
    }
  }

  /** Puts one whole column of `object`. @returns RECEIPT or ERR. */
  async putColumn(
    object: MadeObject,
    column = 0,
    fragments = object.fragments[0]!,
    audience = AUDIENCE,
  ): Promise<NodeMessage | null> {
    await this.send(openPutOf(object, column, audience))
    const window = new CreditWindow()
    for (const [stripe, body] of fragments.entries()) {
      while (!window.hasRoom(body.length)) {
        const message = await this.next()
        if (message?.op !== 'ACK') return message
        window.settle(message.count)
      }
      window.take(body.length)
      await this.send({ op: 'PUT', stripe, first: 0, body })
    }
    return this.ask({ op: 'DONE', body: object.manifest })
  }
}
