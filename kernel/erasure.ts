/**
 * Vector kernel of the erasure code, in AssemblyScript. `bin/build-kernel.mjs` compiles it twice, with relaxed and with strict
 * vector instructions; src/fragment/erasure/simd-kernel.ts runs it. Formulas: docs/spec/erasure-code.md; reasons: docs/adr/0088.
 *
 * A row holds the symbols of one point. Rows lie `stride` bytes apart; offsets and lengths are multiples of 64. The memory up to
 * ROWS is filled by the host:
 */

/** Per element of GF(2^8) 32 bytes: its products with every low nibble, then with every high nibble. */
const PRODUCTS: usize = 0
/** Per element of GF(2^8) its product with v7. */
const TIMES_V7: usize = 8192
/** Per point of GF(2^16) its element, 16 bits. */
const POINTS: usize = 16384

/** Bytes of all rows that should be worked on at a time, and of one row, at least. */
const BLOCK_BYTES: i32 = 524288
const BLOCK_ROW_BYTES: i32 = 512
/** The same where there are more rows than this, which fit no near cache in any case. */
const MANY_ROWS: i32 = 1024
const MANY_ROW_BYTES: i32 = 256

/** A code of at most so many data rows is worked on where its rows lie. */
const ROWS_IN_PLACE: i32 = 1024

/** Two levels are done at once also where an odd number of them is left, unless it is so small. */
const NEAR_LEVEL: i32 = 6

/** Points below this one lie in GF(2^8), whose elements act on every byte alone. */
const BYTE_POINTS: i32 = 256

// what the transform under way works on
let base: usize = 0
let stride: usize = 0
let bytes: i32 = 0
let origin: i32 = 0
let used: i32 = 0
/** Of the rows before each: how many are not zero. 32 bits each. */
let filled: usize = 0

// ---------------------------------------------------------------- vectors

@inline function lookup(table: v128, index: v128): v128 {
  // indexes are nibbles, for which both do the same
  return ASC_FEATURE_RELAXED_SIMD ? i8x16.relaxed_swizzle(table, index) : i8x16.swizzle(table, index)
}

/** @returns 15 in every byte: the product of 1 and 15, loaded, because engines build a constant anew in every turn of a loop. */
@inline function nibbleMask(): v128 {
  return v128.load8_splat(PRODUCTS + 32 + 15)
}

@inline function lowNibbles(x: v128, mask: v128): v128 {
  return v128.and(x, mask)
}

@inline function highNibbles(x: v128, mask: v128): v128 {
  return v128.and(i16x8.shr_u(x, 4), mask)
}

@inline function product(x: v128, low: v128, high: v128, mask: v128): v128 {
  return v128.xor(lookup(low, lowNibbles(x, mask)), lookup(high, highNibbles(x, mask)))
}

@inline function tableOf(element: u32): usize {
  return PRODUCTS + ((<usize>element) << 5)
}

@inline function pointOf(at: i32): u32 {
  return load<u16>(POINTS + ((<usize>at) << 1))
}

// ---------------------------------------------------------------- rows, one at a time

function clear(row: usize, length: i32): void {
  const zero = i8x16.splat(0)
  for (let at = row, end = row + <usize>length; at < end; at += 64) {
    v128.store(at, zero)
    v128.store(at, zero, 16)
    v128.store(at, zero, 32)
    v128.store(at, zero, 48)
  }
}

function copy(to: usize, from: usize, length: i32): void {
  for (let end = to + <usize>length; to < end; to += 64, from += 64) {
    v128.store(to, v128.load(from))
    v128.store(to, v128.load(from, 16), 16)
    v128.store(to, v128.load(from, 32), 32)
    v128.store(to, v128.load(from, 48), 48)
  }
}

function copyRows(to: usize, toApart: usize, from: usize, fromApart: usize, count: i32): void {
  for (; count > 0; count--, to += toApart, from += fromApart) copy(to, from, bytes)
}

/** x += y */
function add(x: usize, y: usize, length: i32): void {
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
function multiplyInto(x: usize, y: usize, length: i32, factor: u32): void {
  multiply(x, y, length, factor, false)
}

/** x += factor y */
function addProduct(x: usize, y: usize, length: i32, factor: u32): void {
  multiply(x, y, length, factor, true)
}

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

function forwardPairs(x: usize, gap: usize, count: i32, at: i32): void {
  pairs(x, gap, count, at, false)
}

function inversePairs(x: usize, gap: usize, count: i32, at: i32): void {
  pairs(x, gap, count, at, true)
}

// ---------------------------------------------------------------- two levels of butterflies, factors of GF(2^8)

/** Rows x, x + gap, x + 2 gap, x + 3 gap, and `count` rows of each; f1 between halves, f2 and f3 within them. */
function forwardQuads(x: usize, gap: usize, count: i32, f1: u32, f2: u32, f3: u32): void {
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
function forwardQuadsZero(x: usize, gap: usize, count: i32, f3: u32): void {
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

function inverseQuads(x: usize, gap: usize, count: i32, f1: u32, f2: u32, f3: u32): void {
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

function inverseQuadsZero(x: usize, gap: usize, count: i32, f3: u32): void {
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

// ---------------------------------------------------------------- transforms

/** @returns how many of the rows are not zero throughout. */
@inline function countOf(first: i32, count: i32): i32 {
  const from = filled + ((<usize>first) << 2)
  return load<i32>(from + ((<usize>count) << 2)) - load<i32>(from)
}

/**
 * Whether two levels are done at once: all factors must be bytes. An odd level is done alone where it has many rows and all of them
 * are near.
 */
@inline function takesTwo(level: i32, at: i32): bool {
  return at + 2 < BYTE_POINTS && (level & 1 ? level > NEAR_LEVEL : true)
}

/**
 * Values at 2^level points from `first` become coefficients. Of a part that is zero throughout nothing is read and,
 * if the whole is zero, nothing written.
 */
function inverse(first: i32, level: i32): void {
  const count = 1 << level
  const known = countOf(first, count)
  if (level == 0 || known == 0) return
  if (known == count) {
    inverseFull(first, level)
    return
  }
  const half = count >> 1
  const x = base + <usize>first * stride
  const gap = <usize>half * stride
  const at = first >> (level - 1)
  const quarter = half >> 1
  if (level > 1 && takesTwo(level, at << 1) && countOf(first + half + quarter, quarter)
    && countOf(first, quarter) && countOf(first + quarter, quarter) && countOf(first + half, quarter)) {
    for (let part = 0; part < 4; part++) inverse(first + part * quarter, level - 2)
    inverseQuads(x, gap >> 1, quarter, pointOf(at), pointOf(at << 1), pointOf((at << 1) + 2))
    return
  }
  const lower = countOf(first, half)
  if (lower) inverse(first, level - 1)
  if (lower < known) inverse(first + half, level - 1)
  if (lower && lower < known) {
    inversePairs(x, gap, half, at)
    return
  }
  // y = 0: y becomes x, and x becomes (1 + factor) x; x = 0: x becomes factor y
  const factor = pointOf(at)
  for (let row = x, end = x + gap; row < end; row += stride) {
    if (lower) {
      copy(row + gap, row, bytes)
      if (factor) multiplyInto(row, row, bytes, factor ^ 1)
    } else multiplyInto(row, row + gap, bytes, factor)
  }
}

/** The same where no row is zero throughout. */
function inverseFull(first: i32, level: i32): void {
  const x = base + <usize>first * stride
  if (level == 1) {
    inversePairs(x, stride, 1, first)
    return
  }
  const half = 1 << (level - 1)
  const quarter = half >> 1
  const at = first >> (level - 2)
  if (takesTwo(level, at)) {
    if (level > 2) {
      inverseFull(first, level - 2)
      inverseFull(first + quarter, level - 2)
      inverseFull(first + half, level - 2)
      inverseFull(first + half + quarter, level - 2)
    }
    const gap = <usize>quarter * stride
    if (at == 0) inverseQuadsZero(x, gap, quarter, pointOf(2))
    else inverseQuads(x, gap, quarter, pointOf(at >> 1), pointOf(at), pointOf(at + 2))
    return
  }
  inverseFull(first, level - 1)
  inverseFull(first + half, level - 1)
  inversePairs(x, <usize>half * stride, half, at >> 1)
}

/** Coefficients become values at 2^level points from `origin + first`; only the first `used` rows are made right. */
function forward(first: i32, level: i32): void {
  if (level == 0 || first >= used) return
  const count = 1 << level
  if (first + count <= used) {
    forwardFull(first, level)
    return
  }
  const half = count >> 1
  const at = (origin + first) >> (level - 1)
  const x = base + <usize>first * stride
  const gap = <usize>half * stride
  const quarter = half >> 1
  if (level > 1 && takesTwo(level, at << 1) && first + half + quarter < used) {
    forwardQuads(x, gap >> 1, quarter, pointOf(at), pointOf(at << 1), pointOf((at << 1) + 2))
    for (let part = 0; part < 4; part++) forward(first + part * quarter, level - 2)
    return
  }
  if (first + half < used) forwardPairs(x, gap, half, at)
  else {
    const factor = pointOf(at)
    if (factor) for (let row = x, end = x + gap; row < end; row += stride) addProduct(row, row + gap, bytes, factor)
  }
  forward(first, level - 1)
  forward(first + half, level - 1)
}

/** The same where all rows are wanted. */
function forwardFull(first: i32, level: i32): void {
  const x = base + <usize>first * stride
  const point = origin + first
  if (level == 1) {
    forwardPairs(x, stride, 1, point)
    return
  }
  const half = 1 << (level - 1)
  const quarter = half >> 1
  const at = point >> (level - 2)
  if (takesTwo(level, at)) {
    const gap = <usize>quarter * stride
    if (at == 0) forwardQuadsZero(x, gap, quarter, pointOf(2))
    else forwardQuads(x, gap, quarter, pointOf(at >> 1), pointOf(at), pointOf(at + 2))
    if (level > 2) {
      forwardFull(first, level - 2)
      forwardFull(first + quarter, level - 2)
      forwardFull(first + half, level - 2)
      forwardFull(first + half + quarter, level - 2)
    }
    return
  }
  forwardPairs(x, <usize>half * stride, half, at >> 1)
  forwardFull(first, level - 1)
  forwardFull(first + half, level - 1)
}

/**
 * The derivative's coefficients, the first `wanted` of `count`: each the sum of those whose index has one more bit.
 * Ascending, so that what is still to be read has not been overwritten.
 */
function derive(count: i32, wanted: i32): void {
  for (let row = 0; row < wanted; row++)
    for (let at = 0; at < bytes; at += 64) {
      let a = i8x16.splat(0), b = i8x16.splat(0), c = i8x16.splat(0), d = i8x16.splat(0)
      for (let bit = 1; bit < count; bit <<= 1) {
        if (row & bit) continue
        const from = base + <usize>(row | bit) * stride + <usize>at
        a = v128.xor(a, v128.load(from))
        b = v128.xor(b, v128.load(from, 16))
        c = v128.xor(c, v128.load(from, 32))
        d = v128.xor(d, v128.load(from, 48))
      }
      const to = base + <usize>row * stride + <usize>at
      v128.store(to, a)
      v128.store(to, b, 16)
      v128.store(to, c, 32)
      v128.store(to, d, 48)
    }
}

/** Bytes of a row worked on at a time, so that all rows stay in a near cache and yet loops are long. */
@inline function blockOf(count: i32): i32 {
  return count > MANY_ROWS ? MANY_ROW_BYTES : max(BLOCK_ROW_BYTES, BLOCK_BYTES / count)
}

/** Distance of scratch rows: an odd multiple of 64, for rows a power of two apart would fall on the same cache lines. */
@inline function scratchStride(block: i32): usize {
  return <usize>((block & ~127) + 64)
}

/**
 * Parity of k data rows. Group g of `span` parity rows lands in the rows from (g + 1) span, the last group in the first rows, over
 * the data. `scratch` has room for as many rows as the code has points; `counts` for span + 1 numbers of 32 bits.
 */
export function encode(
  rows: usize, apart: usize, length: i32, k: i32, span: i32, parity: i32, scratch: usize, counts: usize,
): void {
  filled = counts
  for (let row = 0; row <= span; row++) store<u32>(counts + ((<usize>row) << 2), min(row, k))
  const block = blockOf(span)
  // a few rows at any distance fit the nearest cache as they lie, many are brought together
  const inPlace = span <= ROWS_IN_PLACE
  stride = inPlace ? apart : scratchStride(block)
  for (let from = 0; from < length; from += block) {
    bytes = min(block, length - from)
    const data = rows + <usize>from
    const coefficients = inPlace ? data : scratch
    if (!inPlace) copyRows(coefficients, stride, data, apart, k)
    base = coefficients
    inverse(0, ctz(span))
    for (let first = 0; first < parity; first += span) {
      const isLast = first + span >= parity
      used = min(span, parity - first)
      origin = span + first
      const to = isLast ? data : data + <usize>(first + span) * apart
      base = isLast ? coefficients : inPlace ? to : scratch + <usize>span * stride
      if (!isLast) copyRows(base, stride, coefficients, stride, span)
      forward(0, ctz(span))
      if (!inPlace) copyRows(to, apart, base, stride, used)
    }
  }
}

/**
 * Missing data rows from k known ones, over `count` points. `known` holds for each of the k rows its point and its factor, ascending,
 * `wanted` the same for each of the `missing` rows; 16 bits each. The missing rows land in the first rows, over the known ones.
 * `scratch` has room for `count` rows, `counts` for count + 1 numbers of 32 bits.
 */
export function decode(
  rows: usize, apart: usize, length: i32, count: i32, span: i32, k: i32, known: usize, missing: i32, wanted: usize,
  scratch: usize, counts: usize,
): void {
  filled = counts
  used = k
  origin = 0
  for (let point = 0, row = 0; point <= count; point++) {
    store<u32>(counts + ((<usize>point) << 2), row)
    if (row < k && <i32>load<u16>(known + ((<usize>row) << 2)) == point) row++
  }
  // with nothing known in the lower half its coefficients are zero, and the derivative's are those of the upper half
  const lower = count == 2 * span && countOf(0, span) == 0 ? span : 0
  const block = blockOf(count - lower)
  stride = scratchStride(block)
  for (let from = 0; from < length; from += block) {
    bytes = min(block, length - from)
    base = scratch
    for (let row = 0; row < k; row++) {
      const entry = known + ((<usize>row) << 2)
      const to = base + <usize>load<u16>(entry) * stride
      multiplyInto(to, rows + <usize>row * apart + <usize>from, bytes, load<u16>(entry, 2))
    }
    if (lower) {
      inverse(lower, ctz(lower))
      base += <usize>lower * stride
    } else {
      inverse(0, ctz(count))
      derive(count, span)
    }
    forward(0, ctz(span))
    for (let row = 0; row < missing; row++) {
      const entry = wanted + ((<usize>row) << 2)
      const source = base + <usize>load<u16>(entry) * stride
      multiplyInto(rows + <usize>row * apart + <usize>from, source, bytes, load<u16>(entry, 2))
    }
  }
}

// ---------------------------------------------------------------- weighted sums

/**
 * Sums of products of bytes: `count` rows make `outputs` more, which lie behind them. `weights` holds per output one byte per
 * row. Of up to four outputs at once the nibbles of a row are taken apart once.
 */
export function sums(rows: usize, apart: usize, length: i32, count: i32, outputs: i32, weights: usize): void {
  stride = apart
  const inputs = <usize>count
  for (let output = 0; output < outputs; output += 4) {
    const to = rows + <usize>(count + output) * apart
    const from = weights + <usize>output * inputs
    const lanes = outputs - output
    if (lanes > 3) sum4(rows, length, inputs, to, from)
    else if (lanes == 3) sum3(rows, length, inputs, to, from)
    else if (lanes == 2) sum2(rows, length, inputs, to, from)
    else sum1(rows, length, inputs, to, from)
  }
}

@inline function sum(rows: usize, length: i32, inputs: usize, to: usize, weights: usize, lanes: i32): void {
  const mask = nibbleMask()
  const zero = i8x16.splat(0)
  const stop = weights + inputs
  for (let end = rows + <usize>length; rows < end; rows += 32, to += 32) {
    let a = zero, b = zero, c = zero, d = zero, e = zero, f = zero, g = zero, h = zero
    let from = rows
    for (let weight = weights; weight < stop; weight++, from += stride) {
      const x = v128.load(from), y = v128.load(from, 16)
      const x0 = lowNibbles(x, mask), x1 = highNibbles(x, mask)
      const y0 = lowNibbles(y, mask), y1 = highNibbles(y, mask)
      const t = tableOf(load<u8>(weight))
      a = v128.xor(a, v128.xor(lookup(v128.load(t), x0), lookup(v128.load(t, 16), x1)))
      b = v128.xor(b, v128.xor(lookup(v128.load(t), y0), lookup(v128.load(t, 16), y1)))
      if (lanes > 1) {
        const u = tableOf(load<u8>(weight + inputs))
        c = v128.xor(c, v128.xor(lookup(v128.load(u), x0), lookup(v128.load(u, 16), x1)))
        d = v128.xor(d, v128.xor(lookup(v128.load(u), y0), lookup(v128.load(u, 16), y1)))
      }
      if (lanes > 2) {
        const v = tableOf(load<u8>(weight + inputs + inputs))
        e = v128.xor(e, v128.xor(lookup(v128.load(v), x0), lookup(v128.load(v, 16), x1)))
        f = v128.xor(f, v128.xor(lookup(v128.load(v), y0), lookup(v128.load(v, 16), y1)))
      }
      if (lanes > 3) {
        const w = tableOf(load<u8>(weight + 3 * inputs))
        g = v128.xor(g, v128.xor(lookup(v128.load(w), x0), lookup(v128.load(w, 16), x1)))
        h = v128.xor(h, v128.xor(lookup(v128.load(w), y0), lookup(v128.load(w, 16), y1)))
      }
    }
    v128.store(to, a)
    v128.store(to, b, 16)
    if (lanes > 1) {
      v128.store(to + stride, c)
      v128.store(to + stride, d, 16)
    }
    if (lanes > 2) {
      v128.store(to + 2 * stride, e)
      v128.store(to + 2 * stride, f, 16)
    }
    if (lanes > 3) {
      v128.store(to + 3 * stride, g)
      v128.store(to + 3 * stride, h, 16)
    }
  }
}

function sum1(rows: usize, length: i32, inputs: usize, to: usize, weights: usize): void {
  sum(rows, length, inputs, to, weights, 1)
}

function sum2(rows: usize, length: i32, inputs: usize, to: usize, weights: usize): void {
  sum(rows, length, inputs, to, weights, 2)
}

function sum3(rows: usize, length: i32, inputs: usize, to: usize, weights: usize): void {
  sum(rows, length, inputs, to, weights, 3)
}

function sum4(rows: usize, length: i32, inputs: usize, to: usize, weights: usize): void {
  sum(rows, length, inputs, to, weights, 4)
}

/** The sum of products of 16-bit symbols: `count` rows make the one at `to`. `weights` holds 16 bits per row. */
export function sum16(rows: usize, apart: usize, length: i32, count: i32, to: usize, weights: usize): void {
  clear(to, length)
  for (; count > 0; count--, rows += apart, weights += 2) addProduct(to, rows, length, load<u16>(weights))
}
