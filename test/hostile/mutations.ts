import { seededBytes } from '../storage-node/made-object.ts'

/** A small source of chance: the same seed, the same numbers. */
function chance(seed: number): (below: number) => number {
  let state = (seed * 2_654_435_761 + 1) >>> 0
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return below === 0 ? 0 : state % below
  }
}

type Change = (bytes: Uint8Array, pick: (below: number) => number) => Uint8Array

const changed = (bytes: Uint8Array, change: (copy: Uint8Array) => void) => {
  const copy = bytes.slice()
  change(copy)
  return copy
}

/** What happens to bytes on their way, or in the hands of somebody who knows the format. */
const CHANGES: Change[] = [
  (bytes, pick) =>
    changed(bytes, (copy) => {
      copy[pick(copy.length)]! ^= 1 << pick(8)
    }),
  (bytes, pick) =>
    changed(bytes, (copy) => {
      copy[pick(copy.length)] = [0, 0x7f, 0x80, 0xff][pick(4)]!
    }),
  (bytes, pick) => bytes.slice(0, pick(bytes.length)),
  (bytes, pick) => bytes.slice(pick(bytes.length)),
  (bytes, pick) => Uint8Array.from([...bytes, ...seededBytes(pick(1 << 30), 1 + pick(40))]),
  // A length that promises more than there is.
  (bytes, pick) =>
    changed(bytes, (copy) =>
      copy.set([0x9b, 0xff, 0xff, 0xff, 0xff].slice(0, copy.length), pick(copy.length - 4)),
    ),
  (bytes, pick) => {
    const at = pick(bytes.length)
    const piece = bytes.slice(at, at + 1 + pick(64))
    return Uint8Array.from([...bytes.slice(0, at), ...piece, ...bytes.slice(at)])
  },
  (bytes, pick) => {
    const at = pick(bytes.length)
    return Uint8Array.from([...bytes.slice(0, at), ...bytes.slice(at + 1 + pick(16))])
  },
  (_, pick) => seededBytes(pick(1 << 30), pick(300)),
]

/**
 * @returns `count` changed forms of `bytes`, the same ones for the same seed; some are changed several times.
 */
export function* mutationsOf(bytes: Uint8Array, count: number, seed: number): Generator<Uint8Array> {
  const pick = chance(seed)
  for (let made = 0; made < count; made++) {
    let mutant = bytes
    for (let again = pick(3); again >= 0; again--)
      if (mutant.length > 5) mutant = CHANGES[pick(CHANGES.length)]!(mutant, pick)
    yield mutant
  }
}
