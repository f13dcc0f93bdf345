import { concat } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import { MUX_ANSWERS_MAX, MUX_ANSWERS_PAUSE } from '../../limits.ts'

/** What answers leave by. */
export interface AnswerLink {
  /** Sends frames made of `bytes`. */
  sendAnswers(bytes: Uint8Array): void
  /** Resolves when all that was sent is with the system, or will never be. */
  flushed(): Promise<void>
  stopReading(): void
  readOn(): void
}

/**
 * What a remote makes the muxer say: pongs, refusals, acceptances. While it does not take them, one pong
 * waits and the rest is counted: above a mark nothing more is read from it, above another it is cut off, so
 * that no remote makes answers pile up.
 */
export class Answers {
  readonly #link: AnswerLink
  #pong: Uint8Array | null = null
  readonly #refusals: Uint8Array[] = []
  /** Answers since the system had taken all. */
  #untaken = 0
  #isFlushing = false
  #isHeld = false
  /** Which time the system took all, and which it was when somebody looked. */
  #round = 0
  #roundSeen = -1

  constructor(link: AnswerLink) {
    this.#link = link
  }

  /** @returns whether the remote took nothing since this was asked last, though there is something. */
  isStalled(): boolean {
    const isSame = this.#isFlushing && this.#round === this.#roundSeen
    this.#roundSeen = this.#isFlushing ? this.#round : -1
    return isSame
  }

  /** Answers a ping; of several that wait the newest is enough. */
  pong(frame: Uint8Array): void {
    this.#pong = frame
    this.#send()
  }

  /** Refuses a stream. @throws XcareError MALFORMED when too many refusals wait. */
  refuse(frame: Uint8Array): void {
    this.#refusals.push(frame)
    this.#send()
    this.#holdAbove(this.#untaken + this.#refusals.length)
  }

  /** Counts an answer that was sent already. @throws XcareError MALFORMED when too many wait. */
  sent(): void {
    this.#untaken++
    this.#holdAbove(this.#untaken + this.#refusals.length)
    void this.#flush()
  }

  #send(): void {
    if (this.#isFlushing) return
    const frames = this.#pong === null ? this.#refusals : [this.#pong, ...this.#refusals]
    if (frames.length === 0) return
    this.#untaken += frames.length
    this.#link.sendAnswers(concat(...frames))
    this.#pong = null
    this.#refusals.length = 0
    void this.#flush()
  }

  async #flush(): Promise<void> {
    if (this.#isFlushing) return
    this.#isFlushing = true
    await this.#link.flushed()
    this.#isFlushing = false
    this.#round++
    this.#untaken = 0
    try {
      if (this.#isHeld) this.#link.readOn()
      this.#isHeld = false
      this.#send()
    } catch {
      // The connection ended meanwhile: nobody waits for an answer, and nobody here hears of a failure.
    }
  }

  #holdAbove(waiting: number): void {
    if (waiting > MUX_ANSWERS_MAX)
      throw new XcareError('MALFORMED', 'the remote asks for answers and does not take them')
    if (waiting <= MUX_ANSWERS_PAUSE || this.#isHeld) return
    this.#isHeld = true
    this.#link.stopReading()
  }
}
