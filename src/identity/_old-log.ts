import { allZero, concat, equalBytes, u32be, u64be, utf8 } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { openSmall } from '../crypto/secretbox.ts'
import type { Window } from './_window.ts'
import { ENTRY_BYTES_MAX } from './vault-entry.ts'

const MAGIC = utf8('xcarevl1')
const FILE_HEAD_BYTES = MAGIC.length + 16
const LENGTH_BYTES = 4
const FRAME_HEAD_BYTES = LENGTH_BYTES + 4
const TAG_BYTES = 16
const FRAME_BYTES_MAX = FRAME_HEAD_BYTES + ENTRY_BYTES_MAX + 40

/** @returns whether the file is a log of version 1, which is read and never written. */
export async function isOldLog(window: Window): Promise<boolean> {
  return equalBytes((await window.at(0, FILE_HEAD_BYTES)).subarray(0, MAGIC.length), MAGIC)
}

/**
 * Yields the entries of a log of version 1 with their places; places that are left out do not open. A damaged
 * length is passed over to the next place that fits. `end` in the last item: how many entries there were at
 * least, and false when the rest could not be found.
 */
export async function* oldEntriesOf(
  window: Window,
  key: Uint8Array,
): AsyncGenerator<{ at: number; plain: Uint8Array | null }> {
  const id = (await window.at(0, FILE_HEAD_BYTES)).slice(MAGIC.length)
  let offset = FILE_HEAD_BYTES
  for (let at = 0; ; at++) {
    const head = (await window.at(offset, FRAME_HEAD_BYTES)).slice()
    if (await isTorn(window, offset, head)) return
    const length = head.length === FRAME_HEAD_BYTES ? lengthOf(head, id, at) : null
    if (length === null) {
      const next = await findPlace(window, offset + 1, id, at + 1)
      yield { at, plain: null }
      if (next === null) return
      offset = next
      continue
    }
    const sealed = await window.at(offset + FRAME_HEAD_BYTES, length)
    if (sealed.length < length) return
    const plain = openOrNull(key, sealed, aadOf(id, at))
    offset += FRAME_HEAD_BYTES + length
    if (
      plain === null &&
      allZero(sealed.subarray(length - TAG_BYTES)) &&
      (await window.at(offset, 1)).length === 0
    )
      return
    yield { at, plain }
  }
}

/** Nothing more, too little for a head, or the zeros of a file that grew before its bytes arrived. */
async function isTorn(window: Window, offset: number, head: Uint8Array): Promise<boolean> {
  if (head.length < FRAME_HEAD_BYTES) return true
  if (!allZero(head)) return false
  for (let from = offset; ; ) {
    const bytes = await window.some(from)
    if (bytes.length === 0) return true
    if (!allZero(bytes.slice())) return false
    from += bytes.length
  }
}

async function findPlace(window: Window, offset: number, id: Uint8Array, at: number): Promise<number | null> {
  const bytes = await window.at(offset, 2 * FRAME_BYTES_MAX)
  for (let from = 0; from + FRAME_HEAD_BYTES <= bytes.length; from++)
    if (lengthOf(bytes.subarray(from, from + FRAME_HEAD_BYTES), id, at) !== null) return offset + from
  return null
}

function lengthOf(head: Uint8Array, id: Uint8Array, at: number): number | null {
  const length = new DataView(head.buffer, head.byteOffset).getUint32(0)
  // Nearly every place is refused here, without a hash.
  if (length > ENTRY_BYTES_MAX + 40) return null
  const check = sha256(concat(u32be(length), aadOf(id, at))).subarray(0, FRAME_HEAD_BYTES - LENGTH_BYTES)
  return equalBytes(check, head.subarray(LENGTH_BYTES)) ? length : null
}

function aadOf(id: Uint8Array, at: number): Uint8Array {
  return concat(MAGIC, id, u64be(at))
}

function openOrNull(key: Uint8Array, sealed: Uint8Array, aad: Uint8Array): Uint8Array | null {
  try {
    return openSmall(key, sealed, aad)
  } catch {
    return null
  }
}
