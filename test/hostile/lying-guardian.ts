import { concat } from '../../src/bytes.ts'
import type { Guardian } from '../../src/guardian-node/guardian.ts'
import type { FrameStream } from '../../src/ports.ts'
import {
  answerFrame,
  type CustodyAnswer,
  type CustodyRequest,
  requestFrame,
} from '../../src/wire/custody-protocol.ts'

/** What was asked and what the honest guardian would have said. */
export interface Tapped {
  request: CustodyRequest
  answer: CustodyAnswer
}

/**
 * @returns the answer to be given instead: the same one for the truth, several for too many, `null` for
 * silence.
 */
export type Lie = (tapped: Tapped) => CustodyAnswer | readonly CustodyAnswer[] | null

/** A guardian with the real keys, disk and view, whose answers are heard and changed on their way out. */
export class LyingGuardian implements Guardian {
  readonly guardianId: string
  /** Everything it was asked, in order. */
  readonly heard: Tapped[] = []
  /** What it says instead; the truth until it is set. */
  lie: Lie = ({ answer }) => answer
  readonly #honest: Guardian

  constructor(honest: Guardian) {
    this.#honest = honest
    this.guardianId = honest.guardianId
  }

  serve(stream: FrameStream): Promise<void> {
    const asked: CustodyRequest[] = []
    return this.#honest.serve({
      ...{ remote: stream.remote, close: () => stream.close(), release: () => stream.release() },
      abort: (reason) => stream.abort(reason),
      read: async (maxBytes, idleMs) => {
        const frame = await stream.read(maxBytes, idleMs)
        if (frame) asked.push(requestFrame.decode(frame))
        return frame
      },
      write: async (...parts) => {
        const tapped = { request: asked.shift()!, answer: answerFrame.decode(concat(...parts)) }
        this.heard.push(tapped)
        const said = this.lie(tapped)
        for (const answer of said === null ? [] : [said].flat())
          await stream.write(answerFrame.encode(answer))
      },
    })
  }

  stop(): Promise<void> {
    return this.#honest.stop()
  }
}
