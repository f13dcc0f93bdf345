/**
 * The code of docs/spec/erasure-code.md written from its defining sentence alone: schoolbook field
 * arithmetic, brute-force roots, Lagrange interpolation. Shares nothing with src.
 */

type Multiply = (x: number, y: number) => number

/** Product in GF(2)[x] modulo 0x11d, bit by bit. */
export function multiply8(x: number, y: number): number {
  let product = 0
  for (let bit = 0; bit < 8; bit++) if ((y >> bit) & 1) product ^= x << bit
  for (let bit = 14; bit >= 8; bit--) if ((product >> bit) & 1) product ^= 0x11d << (bit - 8)
  return product
}

/** Product in GF(2^8)[u] / (u^2 + u + v7), a + b u written a | b << 8. */
export function multiply16(x: number, y: number): number {
  const [a, b, c, d] = [x & 255, x >> 8, y & 255, y >> 8]
  const uu = multiply8(b, d)
  const low = multiply8(a, c) ^ multiply8(uu, basis(8, multiply8)[7])
  const high = multiply8(a, d) ^ multiply8(b, c) ^ uu
  return low | (high << 8)
}

const bases = new Map<number, number[]>()

/** v0 = 1; v[i+1] is the even x with x^2 + x = v[i]; v8 = u. */
export function basis(count: number, multiply: Multiply): number[] {
  const made = bases.get(count) ?? [1]
  for (let i = made.length; i < count; i++) {
    let x = i === 8 ? 0x100 : 0
    while ((multiply(x, x) ^ x) !== made[i - 1]) x += 2
    made.push(x)
  }
  bases.set(count, made)
  return made
}

/** w_j. */
export function point(j: number, wide: boolean): number {
  const vectors = wide ? basis(16, multiply16) : basis(8, multiply8)
  return vectors.reduce((sum, vector, bit) => ((j >> bit) & 1 ? sum ^ vector : sum), 0)
}

function inverse(x: number, multiply: Multiply, bits: number): number {
  // x^(2^bits - 2)
  let result = 1
  let square = x
  for (let at = 1; at < bits; at++) {
    square = multiply(square, square)
    result = multiply(result, square)
  }
  return result
}

/** Shard `wanted` (data 0 to k-1, parity k to n-1) of the code from k known shards, by Lagrange's formula. */
export function referenceShard(
  known: Map<number, Uint8Array>,
  wanted: number,
  k: number,
  n: number,
): Uint8Array {
  let span = 1
  while (span < k) span *= 2
  const wide = span + n - k > 256
  const multiply = wide ? multiply16 : multiply8
  const bits = wide ? 16 : 8
  const at = (shard: number) => point(shard < k ? shard : span + shard - k, wide)
  const entries = [...known].slice(0, k)
  const nodes = entries.map(([shard]) => at(shard))
  for (let pad = k; pad < span; pad++) nodes.push(point(pad, wide))
  const x = at(wanted)
  const size = entries[0][1].length
  const out = new Uint8Array(size)
  entries.forEach(([, shard], i) => {
    let above = 1
    let below = 1
    nodes.forEach((node, j) => {
      if (j === i) return
      above = multiply(above, x ^ node)
      below = multiply(below, nodes[i] ^ node)
    })
    const weight = multiply(above, inverse(below, multiply, bits))
    eachSymbol(size, wide, (low, high) => {
      const symbol = wide ? shard[low] | (shard[high] << 8) : shard[low]
      const product = multiply(weight, symbol)
      out[low] ^= product & 255
      if (wide) out[high] ^= product >> 8
    })
  })
  return out
}

/** Byte positions of each symbol: in every 64 bytes, 32 low halves and then their 32 high halves. */
function eachSymbol(size: number, wide: boolean, visit: (low: number, high: number) => void): void {
  for (let at = 0; at < size; at++) {
    if (!wide) visit(at, at)
    else if (at % 64 < 32) visit(at, at + 32)
  }
}

/** All parity of a stripe. */
export function referenceParity(data: Uint8Array, k: number, n: number): Uint8Array {
  const size = data.length / k
  const known = new Map(Array.from({ length: k }, (_, at) => [at, data.subarray(at * size, (at + 1) * size)]))
  const out = new Uint8Array((n - k) * size)
  for (let at = k; at < n; at++) out.set(referenceShard(known, at, k, n), (at - k) * size)
  return out
}
