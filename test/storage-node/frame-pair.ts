import { concat } from '../../src/bytes.ts'
import { XcareError } from '../../src/errors.ts'
import type { NodeId } from '../../src/ids.ts'
import type { FrameStream } from '../../src/ports.ts'

/** Two ends of a stream in memory; what one writes the other reads, as whole frames of its own memory. */
export function framePair(client = 'client' as NodeId, node = 'node' as NodeId): [FrameStream, FrameStream] {
  const up = new Lane()
  const down = new Lane()
  return [new End(node, down, up), new End(client, up, down)]
}

/** One direction. */
class Lane {
  readonly frames: Uint8Array[] = []
  ended = false
  failure: Error | null = null
  #wake: PromiseWithResolvers<void> | null = null

  changed(): void {
    this.#wake?.resolve()
    this.#wake = null
  }

  async change(idleMs: number): Promise<void> {
    this.#wake ??= Promise.withResolvers<void>()
    const timer = setTimeout(() => this.#wake?.reject(new XcareError('TIMEOUT', 'nothing came')), idleMs)
    try {
      await this.#wake.promise
    } finally {
      clearTimeout(timer)
      this.#wake = null
    }
  }
}

class End implements FrameStream {
  readonly remote: NodeId
  readonly #in: Lane
  readonly #out: Lane

  constructor(remote: NodeId, incoming: Lane, outgoing: Lane) {
    this.remote = remote
    this.#in = incoming
    this.#out = outgoing
  }

  async write(...parts: Uint8Array[]): Promise<void> {
    if (this.#out.failure) throw new XcareError('OFFLINE', 'cut', { cause: this.#out.failure })
    this.#out.frames.push(concat(...parts))
    this.#out.changed()
  }

  async read(maxBytes: number, idleMs: number): Promise<Uint8Array | null> {
    for (;;) {
      const frame = this.#in.frames.shift()
      if (frame && frame.length > maxBytes) throw new XcareError('MALFORMED', 'frame too long')
      if (frame) return frame
      if (this.#in.failure) throw new XcareError('OFFLINE', 'cut', { cause: this.#in.failure })
      if (this.#in.ended) return null
      await this.#in.change(idleMs)
    }
  }

  async close(): Promise<void> {
    this.#out.ended = true
    this.#out.changed()
  }

  release(): void {
    void this.close()
  }

  abort(reason: Error): void {
    for (const lane of [this.#in, this.#out]) {
      lane.failure ??= reason
      lane.changed()
    }
  }
}
