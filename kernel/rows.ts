/**
 * Memory of the kernel, its vectors, and rows one at a time. A row holds the symbols of one point. Rows lie `stride` bytes apart;
 * offsets and lengths are multiples of 64. The memory up to ROWS is filled by the host:
 */

/** Per element of GF(2^8) 32 bytes: its products with every low nibble, then with every high nibble. */
export const PRODUCTS: usize = 0
/** Per element of GF(2^8) its product with v7. */
export const TIMES_V7: usize = 8192
/** Per point of GF(2^16) its element, 16 bits. */
export const POINTS: usize = 16384

/** Bytes between rows, and of each that are worked on. */
export let stride: usize = 0
export let bytes: i32 = 0

/** Rows lie `apart` bytes apart from now on. */
@inline export function layRows(apart: usize): void {
  stride = apart
}

/** `length` bytes of each row are worked on from now on. */
@inline export function workOn(length: i32): void {
  bytes = length
}

// ---------------------------------------------------------------- vectors

@inline export function lookup(table: v128, index: v128): v128 {
  // indexes are nibbles, for which both do the same
  return ASC_FEATURE_RELAXED_SIMD ? i8x16.relaxed_swizzle(table, index) : i8x16.swizzle(table, index)
}

/** @returns 15 in every byte: the product of 1 and 15, loaded, because engines build a constant anew in every turn of a loop. */
@inline export function nibbleMask(): v128 {
  return v128.load8_splat(PRODUCTS + 32 + 15)
}

@inline export function lowNibbles(x: v128, mask: v128): v128 {
  return v128.and(x, mask)
}

@inline export function highNibbles(x: v128, mask: v128): v128 {
  return v128.and(i16x8.shr_u(x, 4), mask)
}

@inline export function product(x: v128, low: v128, high: v128, mask: v128): v128 {
  return v128.xor(lookup(low, lowNibbles(x, mask)), lookup(high, highNibbles(x, mask)))
}

@inline export function tableOf(element: u32): usize {
  return PRODUCTS + ((<usize>element) << 5)
}

@inline export function pointOf(at: i32): u32 {
  return load<u16>(POINTS + ((<usize>at) << 1))
}

// ---------------------------------------------------------------- rows, one at a time

export function clear(row: usize, length: i32): void {
  const zero = i8x16.splat(0)
  for (let at = row, end = row + <usize>length; at < end; at += 64) {
    v128.store(at, zero)
    v128.store(at, zero, 16)
    v128.store(at, zero, 32)
    v128.store(at, zero, 48)
  }
}

export function copy(to: usize, from: usize, length: i32): void {
  for (let end = to + <usize>length; to < end; to += 64, from += 64) {
    v128.store(to, v128.load(from))
    v128.store(to, v128.load(from, 16), 16)
    v128.store(to, v128.load(from, 32), 32)
    v128.store(to, v128.load(from, 48), 48)
  }
}

export function copyRows(to: usize, toApart: usize, from: usize, fromApart: usize, count: i32): void {
  for (; count > 0; count--, to += toApart, from += fromApart) copy(to, from, bytes)
}

/** x += y */
export function add(x: usize, y: usize, length: i32): void {
  for (let end = x + <usize>length; x < end; x += 64, y += 64) {
    v128.store(x, v128.xor(v128.load(x), v128.load(y)))
    v128.store(x, v128.xor(v128.load(x, 16), v128.load(y, 16)), 16)
    v128.store(x, v128.xor(v128.load(x, 32), v128.load(y, 32)), 32)
    v128.store(x, v128.xor(v128.load(x, 48), v128.load(y, 48)), 48)
  }
}

/** x = factor y, or with `sum` x += factor y; y may be x. */
@inline function multiply(x: usize, y: usize, length: i32, factor: u32, sum: bool): void {
  if (factor < 256) multiply8(x, y, length, factor, sum)
  else multiply16(x, y, length, factor, sum)
}

@inline function multiply8(x: usize, y: usize, length: i32, factor: u32, sum: bool): void {
  const mask = nibbleMask()
  const low = v128.load(tableOf(factor))
  const high = v128.load(tableOf(factor), 16)
  for (let end = x + <usize>length; x < end; x += 32, y += 32) {
    let p = product(v128.load(y), low, high, mask)
    let q = product(v128.load(y, 16), low, high, mask)
    if (sum) {
      p = v128.xor(p, v128.load(x))
      q = v128.xor(q, v128.load(x, 16))
    }
    v128.store(x, p)
    v128.store(x, q, 16)
  }
}

/**
 * A factor a + b u takes low + high u to (a low + b v7 high) + (a low + (a + b)(low + high)) u: three products of bytes. The
 * nibbles of low + high are those of low plus those of high.
 */
@inline function multiply16(x: usize, y: usize, length: i32, factor: u32, sum: bool): void {
  const mask = nibbleMask()
  const b = factor >> 8
  const ta = tableOf(factor & 255)
  const tb = tableOf(load<u8>(TIMES_V7 + b))
  const tc = tableOf((factor & 255) ^ b)
  const aLow = v128.load(ta), aHigh = v128.load(ta, 16)
  const bLow = v128.load(tb), bHigh = v128.load(tb, 16)
  const cLow = v128.load(tc), cHigh = v128.load(tc, 16)
  for (let end = x + <usize>length; x < end; x += 64, y += 64) {
    for (let half: usize = 0; half < 32; half += 16) {
      const l = v128.load(y + half)
      const h = v128.load(y + half, 32)
      const l0 = lowNibbles(l, mask), l1 = highNibbles(l, mask)
      const h0 = lowNibbles(h, mask), h1 = highNibbles(h, mask)
      const first = v128.xor(lookup(aLow, l0), lookup(aHigh, l1))
      let low = v128.xor(first, v128.xor(lookup(bLow, h0), lookup(bHigh, h1)))
      let high = v128.xor(first, v128.xor(lookup(cLow, v128.xor(l0, h0)), lookup(cHigh, v128.xor(l1, h1))))
      if (sum) {
        low = v128.xor(low, v128.load(x + half))
        high = v128.xor(high, v128.load(x + half, 32))
      }
      v128.store(x + half, low)
      v128.store(x + half, high, 32)
    }
  }
}

/** x = factor y */
export function multiplyInto(x: usize, y: usize, length: i32, factor: u32): void {
  multiply(x, y, length, factor, false)
}

/** x += factor y */
export function addProduct(x: usize, y: usize, length: i32, factor: u32): void {
  multiply(x, y, length, factor, true)
}
