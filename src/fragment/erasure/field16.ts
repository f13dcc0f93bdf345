/**
 * GF(2^16) as the tower GF(2^8)[u] / (u^2 + u + v7): a symbol is low + high * u, written low | high << 8.
 * Its first 256 points are those of GF(2^8). Source: docs/spec/erasure-code.md 1.
 */
import { BASIS8, mul8 } from './field8.ts'

/** @returns the product of two field elements. */
export function mul16(x: number, y: number): number {
  const a = x & 255
  const b = x >> 8
  const c = y & 255
  const d = y >> 8
  const high = mul8(b, d)
  return (mul8(a, c) ^ mul8(BASIS8[7], high)) | ((mul8(a, d) ^ mul8(b, c) ^ high) << 8)
}

/** (a + b u)(low + high u) = (a low + b v7 high) + (b low + (a + b) high) u: the four byte factors, in reading order. */
export function byteFactors(factor: number): [number, number, number, number] {
  const a = factor & 255
  const b = factor >> 8
  return [a, mul8(b, BASIS8[7]), b, a ^ b]
}

/** Everything that is too big to compute before somebody asks for a wide code. */
export interface Field16 {
  /** `exp[i]` = g^i, twice over; `log` is its inverse. The generator g is a matter of this file alone. */
  exp: Uint16Array
  log: Uint16Array
  /** `points[j]` = w_j. */
  points: Uint16Array
}

let field: Field16 | null = null

/** @returns the tables of the field, made on first use (about 5 ms, 640 KiB). */
export function field16(): Field16 {
  field ??= buildField()
  return field
}

function buildField(): Field16 {
  const points = new Uint16Array(65536)
  const basis = cantorBasis()
  for (let j = 1; j < 65536; j++) {
    const bit = 31 - Math.clz32(j)
    points[j] = points[j ^ (1 << bit)] ^ basis[bit]
  }
  const exp = new Uint16Array(2 * 65535)
  const log = new Uint16Array(65536)
  const generator = findGenerator()
  for (let power = 0, x = 1; power < 65535; power++) {
    exp[power] = exp[power + 65535] = x
    log[x] = power
    x = mul16(x, generator)
  }
  return { exp, log, points }
}

/** v0 to v7 of GF(2^8), v8 = u, then the even solution of x^2 + x = v[i] as before. */
function cantorBasis(): number[] {
  const basis = [...BASIS8, 0x100]
  while (basis.length < 16) basis.push(evenRoot(basis[basis.length - 1]))
  return basis
}

/** x^2 + x is linear over the bits of x, so its root is found by elimination. */
function evenRoot(value: number): number {
  const rows = new Map<number, { image: number; x: number }>()
  for (let bit = 1; bit < 16; bit++) {
    let x = 1 << bit
    let image = mul16(x, x) ^ x
    for (let row = rows.get(topBit(image)); row; row = rows.get(topBit(image))) {
      image ^= row.image
      x ^= row.x
    }
    rows.set(topBit(image), { image, x })
  }
  let rest = value
  let root = 0
  while (rest !== 0) {
    const row = rows.get(topBit(rest))!
    rest ^= row.image
    root ^= row.x
  }
  return root
}

function topBit(value: number): number {
  return 31 - Math.clz32(value)
}

/** The smallest element whose powers are all 65,535 others: its order divides by no prime of 65,535. */
function findGenerator(): number {
  const primes = [3, 5, 17, 257]
  let candidate = 0x100
  while (primes.some((prime) => power16(candidate, 65535 / prime) === 1)) candidate++
  return candidate
}

function power16(base: number, exponent: number): number {
  let result = 1
  for (let square = base, rest = exponent; rest > 0; rest >>= 1, square = mul16(square, square))
    if (rest & 1) result = mul16(result, square)
  return result
}
