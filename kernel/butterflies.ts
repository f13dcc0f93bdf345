/** Butterflies of the transforms: one level at a time, or two where all factors are bytes. */

import { TIMES_V7, add, bytes, highNibbles, lookup, lowNibbles, nibbleMask, pointOf, product, stride, tableOf } from './rows'

// ---------------------------------------------------------------- one level of butterflies

/** `count` rows from x with the rows `gap` behind: x += factor y, then y += x; or with `inverse` y += x, then x += factor y. */
@inline function pairs(x: usize, gap: usize, count: i32, at: i32, inverse: bool): void {
  const factor = pointOf(at)
  if (factor == 0) {
    for (; count > 0; count--, x += stride) add(x + gap, x, bytes)
  } else if (factor < 256) pairs8(x, gap, count, factor, inverse)
  else pairs16(x, gap, count, factor, inverse)
}

@inline function pairs8(x: usize, gap: usize, count: i32, factor: u32, inverse: bool): void {
  const mask = nibbleMask()
  const low = v128.load(tableOf(factor))
  const high = v128.load(tableOf(factor), 16)
  for (; count > 0; count--, x += stride)
    for (let at = x, end = x + <usize>bytes; at < end; at += 32) {
      pair8(at, gap, low, high, mask, inverse)
      pair8(at + 16, gap, low, high, mask, inverse)
    }
}

@inline function pair8(at: usize, gap: usize, low: v128, high: v128, mask: v128, inverse: bool): void {
  let a = v128.load(at)
  let b = v128.load(at + gap)
  if (inverse) b = v128.xor(b, a)
  a = v128.xor(a, product(b, low, high, mask))
  if (!inverse) b = v128.xor(b, a)
  v128.store(at, a)
  v128.store(at + gap, b)
}

@inline function pairs16(x: usize, gap: usize, count: i32, factor: u32, inverse: bool): void {
  const mask = nibbleMask()
  const b = factor >> 8
  const ta = tableOf(factor & 255)
  const tb = tableOf(load<u8>(TIMES_V7 + b))
  const tc = tableOf((factor & 255) ^ b)
  const aLow = v128.load(ta), aHigh = v128.load(ta, 16)
  const bLow = v128.load(tb), bHigh = v128.load(tb, 16)
  const cLow = v128.load(tc), cHigh = v128.load(tc, 16)
  for (; count > 0; count--, x += stride)
    for (let at = x, end = x + <usize>bytes; at < end; at += 64) {
      pair16(at, gap, aLow, aHigh, bLow, bHigh, cLow, cHigh, mask, inverse)
      pair16(at + 16, gap, aLow, aHigh, bLow, bHigh, cLow, cHigh, mask, inverse)
    }
}

@inline function pair16(
  at: usize, gap: usize,
  aLow: v128, aHigh: v128, bLow: v128, bHigh: v128, cLow: v128, cHigh: v128,
  mask: v128, inverse: bool,
): void {
  let xl = v128.load(at), xh = v128.load(at, 32)
  let yl = v128.load(at + gap), yh = v128.load(at + gap, 32)
  if (inverse) {
    yl = v128.xor(yl, xl)
    yh = v128.xor(yh, xh)
    v128.store(at + gap, yl)
    v128.store(at + gap, yh, 32)
  }
  const l0 = lowNibbles(yl, mask), l1 = highNibbles(yl, mask)
  const h0 = lowNibbles(yh, mask), h1 = highNibbles(yh, mask)
  const first = v128.xor(lookup(aLow, l0), lookup(aHigh, l1))
  xl = v128.xor(v128.xor(xl, first), v128.xor(lookup(bLow, h0), lookup(bHigh, h1)))
  v128.store(at, xl)
  xh = v128.xor(v128.xor(xh, first), v128.xor(lookup(cLow, v128.xor(l0, h0)), lookup(cHigh, v128.xor(l1, h1))))
  v128.store(at, xh, 32)
  if (!inverse) {
    v128.store(at + gap, v128.xor(yl, xl))
    v128.store(at + gap, v128.xor(yh, xh), 32)
  }
}

export function forwardPairs(x: usize, gap: usize, count: i32, at: i32): void {
  pairs(x, gap, count, at, false)
}

export function inversePairs(x: usize, gap: usize, count: i32, at: i32): void {
  pairs(x, gap, count, at, true)
}

// ---------------------------------------------------------------- two levels of butterflies, factors of GF(2^8)

/** Rows x, x + gap, x + 2 gap, x + 3 gap, and `count` rows of each; f1 between halves, f2 and f3 within them. */
export function forwardQuads(x: usize, gap: usize, count: i32, f1: u32, f2: u32, f3: u32): void {
  const mask = nibbleMask()
  const l1 = v128.load(tableOf(f1)), h1 = v128.load(tableOf(f1), 16)
  const l2 = v128.load(tableOf(f2)), h2 = v128.load(tableOf(f2), 16)
  const l3 = v128.load(tableOf(f3)), h3 = v128.load(tableOf(f3), 16)
  const gap2 = gap + gap, gap3 = gap2 + gap
  for (; count > 0; count--, x += stride)
    for (let at = x, end = x + <usize>bytes; at < end; at += 16) {
      let a = v128.load(at), b = v128.load(at + gap), c = v128.load(at + gap2), d = v128.load(at + gap3)
      a = v128.xor(a, product(c, l1, h1, mask))
      b = v128.xor(b, product(d, l1, h1, mask))
      c = v128.xor(c, a)
      d = v128.xor(d, b)
      a = v128.xor(a, product(b, l2, h2, mask))
      c = v128.xor(c, product(d, l3, h3, mask))
      v128.store(at, a)
      v128.store(at + gap, v128.xor(b, a))
      v128.store(at + gap2, c)
      v128.store(at + gap3, v128.xor(d, c))
    }
}

/** The same where f1 = f2 = 0. */
export function forwardQuadsZero(x: usize, gap: usize, count: i32, f3: u32): void {
  const mask = nibbleMask()
  const l3 = v128.load(tableOf(f3)), h3 = v128.load(tableOf(f3), 16)
  const gap2 = gap + gap, gap3 = gap2 + gap
  for (; count > 0; count--, x += stride)
    for (let at = x, end = x + <usize>bytes; at < end; at += 16) {
      const a = v128.load(at), b = v128.load(at + gap)
      const d = v128.xor(v128.load(at + gap3), b)
      const c = v128.xor(v128.xor(v128.load(at + gap2), a), product(d, l3, h3, mask))
      v128.store(at + gap, v128.xor(b, a))
      v128.store(at + gap2, c)
      v128.store(at + gap3, v128.xor(d, c))
    }
}

export function inverseQuads(x: usize, gap: usize, count: i32, f1: u32, f2: u32, f3: u32): void {
  const mask = nibbleMask()
  const l1 = v128.load(tableOf(f1)), h1 = v128.load(tableOf(f1), 16)
  const l2 = v128.load(tableOf(f2)), h2 = v128.load(tableOf(f2), 16)
  const l3 = v128.load(tableOf(f3)), h3 = v128.load(tableOf(f3), 16)
  const gap2 = gap + gap, gap3 = gap2 + gap
  for (; count > 0; count--, x += stride)
    for (let at = x, end = x + <usize>bytes; at < end; at += 16) {
      let a = v128.load(at), c = v128.load(at + gap2)
      let b = v128.xor(v128.load(at + gap), a)
      let d = v128.xor(v128.load(at + gap3), c)
      a = v128.xor(a, product(b, l2, h2, mask))
      c = v128.xor(c, product(d, l3, h3, mask))
      c = v128.xor(c, a)
      d = v128.xor(d, b)
      v128.store(at + gap2, c)
      v128.store(at + gap3, d)
      v128.store(at, v128.xor(a, product(c, l1, h1, mask)))
      v128.store(at + gap, v128.xor(b, product(d, l1, h1, mask)))
    }
}

export function inverseQuadsZero(x: usize, gap: usize, count: i32, f3: u32): void {
  const mask = nibbleMask()
  const l3 = v128.load(tableOf(f3)), h3 = v128.load(tableOf(f3), 16)
  const gap2 = gap + gap, gap3 = gap2 + gap
  for (; count > 0; count--, x += stride)
    for (let at = x, end = x + <usize>bytes; at < end; at += 16) {
      const a = v128.load(at), c = v128.load(at + gap2)
      const b = v128.xor(v128.load(at + gap), a)
      const d = v128.xor(v128.load(at + gap3), c)
      v128.store(at + gap, b)
      v128.store(at + gap2, v128.xor(v128.xor(c, product(d, l3, h3, mask)), a))
      v128.store(at + gap3, v128.xor(d, b))
    }
}
