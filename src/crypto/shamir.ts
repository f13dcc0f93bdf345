import { combine, split } from 'shamir-secret-sharing'
import { assert } from '../assert.ts'
import { XcareError } from '../errors.ts'
import type { Random } from '../ports.ts'

/** Shares of one secret, at most: every share has its own non-zero byte as x. */
const SHARES_MAX = 255

/**
 * Splits `secret` over GF(2^8) with the platform's randomness: any `k` shares give it back, fewer say nothing about it.
 * @param n shares, 2 to 255. @param k threshold, 2 to n. @returns n shares, each the y bytes and a last byte x, x random and distinct.
 */
export async function splitSecret(secret: Uint8Array, n: number, k: number): Promise<Uint8Array[]> {
  assert(secret.length > 0, 'a secret has bytes')
  assert(Number.isInteger(n) && Number.isInteger(k) && k >= 2 && n >= k && n <= SHARES_MAX, 'share counts')
  return split(new Uint8Array(secret), n, k)
}

/**
 * Splits `secret` as `splitSecret` does, but with x = 1 to n in order: whoever loses the share at a known place can compute it
 * again with `shareAt`. Same shares of the same polynomial, Shamir 1979; `combineShares` takes both.
 * @param random draws the k - 1 upper coefficients of each byte's polynomial.
 */
export function splitInOrder(secret: Uint8Array, n: number, k: number, random: Random): Uint8Array[] {
  assert(secret.length > 0, 'a secret has bytes')
  assert(Number.isInteger(n) && Number.isInteger(k) && k >= 2 && n >= k && n <= SHARES_MAX, 'share counts')
  const upper = random.bytes((k - 1) * secret.length)
  const coefficients = Array.from({ length: k }, (_, degree) =>
    lanesOf(degree === 0 ? secret : upper.subarray((degree - 1) * secret.length, degree * secret.length)),
  )
  return Array.from({ length: n }, (_, at) => {
    const share = new Uint8Array(secret.length + 1)
    share.set(new Uint8Array(valueAt(coefficients, at + 1).buffer, 0, secret.length))
    share[secret.length] = at + 1
    return share
  })
}

/** @returns `bytes` four to a word, so that one step of field arithmetic serves four of them. */
function lanesOf(bytes: Uint8Array): Uint32Array {
  const words = new Uint32Array(Math.ceil(bytes.length / 4))
  new Uint8Array(words.buffer).set(bytes)
  return words
}

/** Horner's rule on all bytes at once. Time depends on x, which is public, and on nothing else. */
function valueAt(coefficients: readonly Uint32Array[], x: number): Uint32Array {
  const sum = new Uint32Array(coefficients[0]!.length)
  for (let degree = coefficients.length - 1; degree >= 0; degree--) {
    const row = coefficients[degree]!
    for (let at = 0; at < sum.length; at++) sum[at] = timesPublic(sum[at]!, x) ^ row[at]!
  }
  return sum
}

function timesPublic(lanes: number, x: number): number {
  let product = 0
  for (let bit = 31 - Math.clz32(x); bit >= 0; bit--) {
    const carry = (product >>> 7) & 0x01010101
    product = ((product & 0x7f7f7f7f) << 1) ^ Math.imul(carry, 0x1b)
    product ^= lanes & -((x >> bit) & 1)
  }
  return product
}

/**
 * Combines `k` of `shares`. A share with x = 0, of another length, repeated, or refused by `check` is left out: combining would
 * give silent garbage or let that share dictate the secret. The caller still checks the result against its commitment.
 * @param check whether the share at this position is the one that was dealt (its commitment or hash). @returns the secret.
 * @throws XcareError INTEGRITY naming the positions left out when fewer than `k` remain.
 */
export async function combineShares(
  shares: readonly Uint8Array[],
  k: number,
  check: (share: Uint8Array, at: number) => boolean,
): Promise<Uint8Array> {
  assert(Number.isInteger(k) && k >= 2 && k <= SHARES_MAX, 'threshold')
  const refused: number[] = []
  const byX = new Map<number, Uint8Array>()
  const length = usualLength(shares)
  shares.forEach((share, at) => {
    const x = share[share.length - 1]
    if (share.length !== length || length < 2 || !x || byX.has(x) || !check(share, at)) refused.push(at)
    else byX.set(x, new Uint8Array(share))
  })
  if (byX.size < k) {
    const detail = refused.length > 0 ? `; left out as wrong: positions ${refused.join(', ')}` : ''
    throw new XcareError('INTEGRITY', `${byX.size} sound key shares, ${k} needed${detail}`)
  }
  return combine([...byX.values()].slice(0, k))
}

/** @returns the length that most shares have, so that one odd share cannot push out the others. */
function usualLength(shares: readonly Uint8Array[]): number {
  const counts = new Map<number, number>()
  let usual = 0
  for (const { length } of shares) {
    const count = (counts.get(length) ?? 0) + 1
    counts.set(length, count)
    if (count > (counts.get(usual) ?? 0)) usual = length
  }
  return usual
}

/**
 * Computes the share at another x from `shares`, as repair needs it, without forming the secret.
 * @param shares exactly the threshold's number of sound shares, distinct x. @param x 1 to 255. @returns the share at x.
 */
export function shareAt(shares: readonly Uint8Array[], x: number): Uint8Array {
  assert(Number.isInteger(x) && x >= 1 && x <= SHARES_MAX, 'share coordinate')
  const secretBytes = shares[0]!.length - 1
  const xs = shares.map((share) => share[secretBytes]!)
  assert(new Set(xs).size === xs.length && !xs.includes(0), 'distinct share coordinates')
  const out = new Uint8Array(secretBytes + 1)
  out[secretBytes] = x
  for (let i = 0; i < shares.length; i++) {
    let weight = 1
    for (let j = 0; j < shares.length; j++)
      if (j !== i) weight = multiply(weight, multiply(x ^ xs[j]!, inverse(xs[i]! ^ xs[j]!)))
    for (let at = 0; at < secretBytes; at++) out[at]! ^= multiply(weight, shares[i]![at]!)
  }
  return out
}

/** Product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1, without branches or tables that depend on secrets. */
function multiply(a: number, b: number): number {
  let product = 0
  let factor = a
  for (let bit = 0; bit < 8; bit++) {
    product ^= factor & -((b >> bit) & 1)
    factor = ((factor << 1) ^ (0x11b & -(factor >> 7))) & 0xff
  }
  return product
}

/** a^254, the inverse of a. */
function inverse(a: number): number {
  let power = 1
  for (let bit = 0; bit < 7; bit++) power = multiply(multiply(power, power), a)
  return multiply(power, power)
}
