import { closeSync, existsSync, fdatasyncSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { concat, equalBytes, u64be } from '../../bytes.ts'
import { sha256 } from '../../crypto/hash.ts'
import { XcareError } from '../../errors.ts'

const SLOT_BYTES = 512
const RECORD_BYTES = 8 + 8 + 8 + 32
const CHECK_BYTES = 32

/** The last thing the local validators signed. `voted` is SHA-256 of the block id they signed for. */
export interface Signed {
  height: number
  round: number
  voted: Uint8Array
}

interface Slot extends Signed {
  sequence: number
}

/**
 * Remembers on disk what was signed last, in a file apart from the chain's data, so that neither a crash nor a folder
 * brought back from a copy makes the validators sign two blocks for one height and round. Two slots are written in turn:
 * a torn write leaves the other one.
 */
export class SignState {
  readonly #file: number
  #last: Slot

  /** Opens or creates the file. @throws XcareError INTEGRITY when neither slot can be read. */
  constructor(path: string) {
    const fresh = !existsSync(path)
    this.#file = openSync(path, fresh ? 'wx+' : 'r+', 0o600)
    if (fresh) {
      this.#last = { sequence: 0, height: 0, round: 0, voted: new Uint8Array(32) }
      this.#write({ ...this.#last, sequence: 1 })
      syncFolder(dirname(path))
      return
    }
    const slots = [readSlot(this.#file, 0), readSlot(this.#file, 1)].filter((slot) => slot !== null)
    if (slots.length === 0) {
      closeSync(this.#file)
      throw new XcareError('INTEGRITY', 'the record of what this validator signed is damaged')
    }
    this.#last = slots.reduce((a, b) => (a.sequence > b.sequence ? a : b))
  }

  /** What was signed last; height 0 when nothing was. */
  get last(): Signed {
    return this.#last
  }

  /** Makes `next` durable before anything is signed. @throws XcareError INTEGRITY when a height and round would be signed twice. */
  advance(next: Signed): void {
    const { height, round } = this.#last
    if (next.height < height || (next.height === height && next.round <= round && height > 0))
      throw new XcareError(
        'INTEGRITY',
        `a block at height ${next.height} was signed already; nothing is signed twice`,
      )
    this.#write({ ...next, sequence: this.#last.sequence + 1 })
  }

  /** Closes the file. */
  close(): void {
    closeSync(this.#file)
  }

  #write(slot: Slot): void {
    const record = concat(u64be(slot.sequence), u64be(slot.height), u64be(slot.round), slot.voted)
    const bytes = concat(record, sha256(record))
    writeSync(this.#file, bytes, 0, bytes.length, (slot.sequence % 2) * SLOT_BYTES)
    fdatasyncSync(this.#file)
    this.#last = slot
  }
}

function readSlot(file: number, index: number): Slot | null {
  const bytes = new Uint8Array(RECORD_BYTES + CHECK_BYTES)
  if (readSync(file, bytes, 0, bytes.length, index * SLOT_BYTES) !== bytes.length) return null
  const record = bytes.subarray(0, RECORD_BYTES)
  if (!equalBytes(sha256(record), bytes.subarray(RECORD_BYTES))) return null
  const view = new DataView(bytes.buffer)
  const number = (at: number) => Number(view.getBigUint64(at))
  return { sequence: number(0), height: number(8), round: number(16), voted: bytes.slice(24, 56) }
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r')
  fsyncSync(folder)
  closeSync(folder)
}
