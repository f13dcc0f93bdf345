/** BLAKE3's compression of chunks and parents, word by word. Source: the BLAKE3 paper, sections 2.1 to 2.5. */

const BLOCK_BYTES = 64
const CHUNK_START = 1
const CHUNK_END = 2
const PARENT = 4
const ROOT = 8
const ROUNDS = 7
const IV = Int32Array.of(
  0x6a09e667,
  0xbb67ae85,
  0x3c6ef372,
  0xa54ff53a,
  0x510e527f,
  0x9b05688c,
  0x1f83d9ab,
  0x5be0cd19,
)
const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]
/** Message word used at every step, all rounds in a row. */
const SCHEDULE = schedule()

function schedule(): Uint8Array {
  const out = new Uint8Array(ROUNDS * 16)
  let order = Array.from({ length: 16 }, (_, at) => at)
  for (let round = 0; round < ROUNDS; round++) {
    out.set(order, round * 16)
    order = PERMUTATION.map((from) => order[from]!)
  }
  return out
}

const state = new Int32Array(16)
const words = new Int32Array(16)

function mix(a: number, b: number, c: number, d: number, x: number, y: number): void {
  let va = (state[a]! + state[b]! + x) | 0
  let vd = state[d]! ^ va
  vd = (vd >>> 16) | (vd << 16)
  let vc = (state[c]! + vd) | 0
  let vb = state[b]! ^ vc
  vb = (vb >>> 12) | (vb << 20)
  va = (va + vb + y) | 0
  vd ^= va
  vd = (vd >>> 8) | (vd << 24)
  vc = (vc + vd) | 0
  vb ^= vc
  state[a] = va
  state[b] = (vb >>> 7) | (vb << 25)
  state[c] = vc
  state[d] = vd
}

/** Compresses the block in `words` into the 8 words `cv`, in place. */
function compress(cv: Int32Array, counter: number, blockBytes: number, flags: number): void {
  state.set(cv)
  state.set(IV.subarray(0, 4), 8)
  state[12] = counter
  state[13] = Math.floor(counter / 2 ** 32)
  state[14] = blockBytes
  state[15] = flags
  for (let at = 0; at < ROUNDS * 16; at += 16) {
    const m = (step: number) => words[SCHEDULE[at + step]!]!
    mix(0, 4, 8, 12, m(0), m(1))
    mix(1, 5, 9, 13, m(2), m(3))
    mix(2, 6, 10, 14, m(4), m(5))
    mix(3, 7, 11, 15, m(6), m(7))
    mix(0, 5, 10, 15, m(8), m(9))
    mix(1, 6, 11, 12, m(10), m(11))
    mix(2, 7, 8, 13, m(12), m(13))
    mix(3, 4, 9, 14, m(14), m(15))
  }
  for (let at = 0; at < 8; at++) cv[at] = state[at]! ^ state[at + 8]!
}

function loadWords(bytes: Uint8Array, from: number, count: number): void {
  for (let word = 0, at = from; word < count; word++, at += 4)
    words[word] = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
}

function storeWords(cv: Int32Array): Uint8Array {
  const out = new Uint8Array(32)
  for (let word = 0, at = 0; word < 8; word++, at += 4) {
    out[at] = cv[word]!
    out[at + 1] = cv[word]! >>> 8
    out[at + 2] = cv[word]! >>> 16
    out[at + 3] = cv[word]! >>> 24
  }
  return out
}

const lastBlock = new Uint8Array(BLOCK_BYTES)

/** @param chunk 0 to 1024 bytes. @param index of the chunk in its input. @param isRoot whether it is the whole input. @returns 32 bytes. */
export function chunkValue(chunk: Uint8Array, index: number, isRoot: boolean): Uint8Array {
  const cv = IV.slice()
  const blocks = Math.max(1, Math.ceil(chunk.length / BLOCK_BYTES))
  for (let block = 0; block < blocks; block++) {
    const from = block * BLOCK_BYTES
    const length = Math.min(BLOCK_BYTES, chunk.length - from)
    if (length === BLOCK_BYTES) loadWords(chunk, from, 16)
    else {
      lastBlock.fill(0)
      lastBlock.set(chunk.subarray(from))
      loadWords(lastBlock, 0, 16)
    }
    const isLast = block === blocks - 1
    const flags = (block === 0 ? CHUNK_START : 0) | (isLast ? CHUNK_END | (isRoot ? ROOT : 0) : 0)
    compress(cv, index, length, flags)
  }
  return storeWords(cv)
}

/** @param left 32 bytes. @param right 32 bytes. @param isRoot whether it is the top of the tree. @returns 32 bytes. */
export function parentValue(left: Uint8Array, right: Uint8Array, isRoot: boolean): Uint8Array {
  const cv = IV.slice()
  for (let word = 0, at = 0; word < 8; word++, at += 4) {
    words[word] = left[at]! | (left[at + 1]! << 8) | (left[at + 2]! << 16) | (left[at + 3]! << 24)
    words[word + 8] = right[at]! | (right[at + 1]! << 8) | (right[at + 2]! << 16) | (right[at + 3]! << 24)
  }
  compress(cv, 0, BLOCK_BYTES, PARENT | (isRoot ? ROOT : 0))
  return storeWords(cv)
}
