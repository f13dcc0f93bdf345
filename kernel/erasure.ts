/**
 * Vector kernel of the erasure code, in AssemblyScript. `bin/build-kernel.mjs` compiles it twice, with relaxed and with strict
 * vector instructions; src/fragment/erasure/simd-kernel.ts runs it. Formulas: docs/spec/erasure-code.md; reasons: docs/adr/0088.
 */

import { forwardPairs, forwardQuads, forwardQuadsZero, inversePairs, inverseQuads, inverseQuadsZero } from './butterflies'
import { addProduct, bytes, clear, copy, copyRows, highNibbles, layRows, lookup, lowNibbles, multiplyInto, nibbleMask, pointOf, stride, tableOf, workOn } from './rows'

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
let origin: i32 = 0
let used: i32 = 0
/** Of the rows before each: how many are not zero. 32 bits each. */
let filled: usize = 0

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
 * Parity of k data rows. Where it is `held`, the data stays, and parity row j lands in row k + j. Otherwise group g of `span` parity rows
 * lands in the rows from (g + 1) span, the last group in the first rows, over the data. `scratch` has room for as many rows as the
 * code has points; `counts` for span + 1 numbers of 32 bits.
 */
export function encode(
  rows: usize, apart: usize, length: i32, k: i32, span: i32, parity: i32, held: bool, scratch: usize, counts: usize,
): void {
  filled = counts
  for (let row = 0; row <= span; row++) store<u32>(counts + ((<usize>row) << 2), min(row, k))
  const block = blockOf(span)
  // a few rows at any distance fit the nearest cache as they lie, many are brought together, and so is what must stay
  const inPlace = !held && span <= ROWS_IN_PLACE
  layRows(inPlace ? apart : scratchStride(block))
  for (let from = 0; from < length; from += block) {
    workOn(min(block, length - from))
    const data = rows + <usize>from
    const coefficients = inPlace ? data : scratch
    if (!inPlace) copyRows(coefficients, stride, data, apart, k)
    base = coefficients
    inverse(0, ctz(span))
    for (let first = 0; first < parity; first += span) {
      const isLast = first + span >= parity
      used = min(span, parity - first)
      origin = span + first
      const place = held ? k + first : isLast ? 0 : first + span
      const to = data + <usize>place * apart
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
  layRows(scratchStride(block))
  for (let from = 0; from < length; from += block) {
    workOn(min(block, length - from))
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
  layRows(apart)
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
