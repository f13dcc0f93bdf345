/**
 * GF(2^8) with polynomial x^8+x^4+x^3+x^2+1 (0x11d), and its points in Cantor order.
 * Source: docs/spec/erasure-code.md 1.
 */

/** `EXP8[i]` = 2^i, given twice so that a sum of two logarithms needs no reduction. */
export const EXP8 = new Uint8Array(510)
/** `LOG8[x]` = the logarithm of x to base 2, 0 to 254; entry 0 means nothing. */
export const LOG8 = new Uint8Array(256)

for (let power = 0, x = 1; power < 255; power++) {
  EXP8[power] = EXP8[power + 255] = x
  LOG8[x] = power
  x <<= 1
  if (x & 0x100) x ^= 0x11d
}

/** @returns the product of two field elements. */
export function mul8(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : EXP8[LOG8[a] + LOG8[b]]
}

/** The whole multiplication table: row c, 256 entries from `c << 8`, holds the products with c. */
export const PRODUCTS8 = new Uint8Array(65536)
for (let at = 0; at < 65536; at++) PRODUCTS8[at] = mul8(at >> 8, at & 255)

/** Cantor basis: v0 = 1, then v[i+1] is the even solution of x^2 + x = v[i]. */
export const BASIS8: readonly number[] = cantorBasis()

function cantorBasis(): number[] {
  const basis = [1]
  while (basis.length < 8) {
    let x = 0
    while ((mul8(x, x) ^ x) !== basis[basis.length - 1]) x += 2
    basis.push(x)
  }
  return basis
}

/** `POINTS8[j]` = w_j, the sum of the basis elements at the set bits of j. */
export const POINTS8 = new Uint8Array(256)
for (let j = 1; j < 256; j++) {
  const bit = 31 - Math.clz32(j)
  POINTS8[j] = POINTS8[j ^ (1 << bit)] ^ BASIS8[bit]
}
