import { describe, expect, it } from 'vitest'
import { concat, equalBytes, u32be } from '../../../src/bytes.ts'
import { sha512 } from '../../../src/crypto/hash.ts'
import { decodeStripe, encodeStripe, rebuildShard } from '../../../src/fragment/erasure/erasure.ts'
import { bestKernel } from '../../../src/fragment/erasure/pick-kernel.ts'
import { plainKernel } from '../../../src/fragment/erasure/plain-kernel.ts'
import { simdModule } from '../../../src/fragment/erasure/simd-code.ts'
import { simdKernel } from '../../../src/fragment/erasure/simd-kernel.ts'
import { multiply8, multiply16 } from './reference.ts'

function sample(length: number, seed: number): Uint8Array {
  const out = new Uint8Array(length)
  for (let at = 0; at < length; at += 64) out.set(sha512(u32be(seed), u32be(at)), at)
  return out
}

/** What product, forward and inverse do to rows x and y, symbol by symbol. */
function expected(
  step: 'product' | 'forward' | 'inverse',
  x: Uint8Array,
  y: Uint8Array,
  factor: number,
): Uint8Array[] {
  const [a, b] = [x.slice(), y.slice()]
  const addProduct = () => {
    for (let at = 0; at < a.length; at++) {
      if (factor < 256) a[at] ^= multiply8(factor, b[at])
      else if (at % 64 < 32) {
        const product = multiply16(factor, b[at] | (b[at + 32] << 8))
        a[at] ^= product & 255
        a[at + 32] ^= product >> 8
      }
    }
  }
  const addX = () => {
    for (let at = 0; at < b.length; at++) b[at] ^= a[at]
  }
  if (step === 'inverse') addX()
  addProduct()
  if (step === 'forward') addX()
  return [a, b]
}

describe('the module put together by hand', () => {
  it.each([false, true])('is valid WebAssembly (relaxed: %s)', (relaxed) => {
    expect(WebAssembly.validate(simdModule(relaxed))).toBe(true)
  })

  it('is what runs here', () => {
    expect(bestKernel().name).toBe('simd')
    expect(bestKernel()).toBe(simdKernel())
  })
})

describe.each([plainKernel(), simdKernel()!])('$name kernel', (kernel) => {
  it('does each step as field arithmetic says, on any length', () => {
    for (const bytes of [64, 192, 1088])
      for (const factor of [0, 1, 2, 0xd6, 255, 256, 0x1234, 0xffff])
        for (const step of ['product', 'forward', 'inverse'] as const) {
          const [x, y] = [sample(bytes, factor), sample(bytes, factor + 1)]
          const memory = kernel.workspace(4 * bytes).fill(7)
          memory.set(x, bytes)
          memory.set(y, 2 * bytes)
          kernel[step](bytes, 2 * bytes, bytes, factor)
          const [a, b] = expected(step, x, y, factor)
          expect(equalBytes(memory.subarray(bytes, 2 * bytes), a), `${step} ${factor}`).toBe(true)
          expect(equalBytes(memory.subarray(2 * bytes, 3 * bytes), b), `${step} ${factor}`).toBe(true)
          const around = [...memory.subarray(0, bytes), ...memory.subarray(3 * bytes)]
          expect(around.every((byte) => byte === 7)).toBe(true)
        }
  })

  it('does two levels of steps on four rows as four steps do', () => {
    for (const [f1, f2, f3] of [
      [0, 0, 0],
      [0, 0, 0xd6],
      [0, 3, 9],
      [77, 0, 1],
      [200, 17, 255],
    ]) {
      const bytes = 192
      const rows = [0, 1, 2, 3].map((at) => sample(bytes, at))
      const pair = (x: number, y: number, factor: number) => {
        ;[rows[x], rows[y]] = expected('forward', rows[x], rows[y], factor)
      }
      const memory = kernel.workspace(6 * bytes).fill(7)
      memory.set(concat(...rows), bytes)
      const before = memory.slice()
      kernel.forward4(bytes, bytes, f1, f2, f3)
      pair(0, 2, f1)
      pair(1, 3, f1)
      pair(0, 1, f2)
      pair(2, 3, f3)
      expect(equalBytes(memory.subarray(bytes, 5 * bytes), concat(...rows))).toBe(true)
      kernel.inverse4(bytes, bytes, f1, f2, f3)
      expect(equalBytes(memory, before)).toBe(true)
    }
  })

  it('computes weighted sums of one to nine rows and leaves everything else alone', () => {
    for (const wide of [false, true])
      for (const outputs of [1, 2, 3, 4, 5, 9])
        for (const inputs of [1, 2, 3, 7]) {
          const weights = Array.from({ length: outputs }, (_, i) =>
            Array.from({ length: inputs }, (_, j) =>
              wide ? (i * 7919 + j * 104729) & 0xffff : (i * 31 + j * 7) & 255,
            ),
          )
          const combination = kernel.combination(weights, wide)
          const memory = kernel.workspace((inputs + outputs + 1) * 192).fill(7)
          const rows = Array.from({ length: inputs }, (_, at) => sample(192, at))
          rows.forEach((row, at) => {
            memory.set(row, at * 192)
          })
          const to = weights.map((_, at) => (inputs + at) * 192)
          combination.run(
            rows.map((_, at) => at * 192),
            to,
            192,
          )
          weights.forEach((row, at) => {
            const sum = rows.reduce(
              (so, input, j) => expected('product', so, input, row[j])[0],
              new Uint8Array(192),
            )
            expect(
              equalBytes(memory.subarray(to[at], to[at] + 192), sum),
              `${outputs}x${inputs} ${wide}`,
            ).toBe(true)
          })
          expect(memory.subarray((inputs + outputs) * 192).every((byte) => byte === 7)).toBe(true)
        }
  })

  it.each([
    [1, 4],
    [6, 12],
    [20, 40],
    [29, 80],
    [80, 200],
    [70, 300],
    [200, 210],
    [2, 256],
  ])('%i/%i: parity, data and rebuilt shards are the same as by the other kernel', (k, n) => {
    const size = 704
    const data = sample(k * size, n)
    const other = kernel.name === 'simd' ? plainKernel() : simdKernel()!
    const parity = encodeStripe(data, k, n, size, kernel)
    expect(equalBytes(parity, encodeStripe(data, k, n, size, other))).toBe(true)
    const lost = Math.min(k, n - k)
    const shards = Array.from({ length: n }, (_, at) => {
      if (at < lost) return null
      return at < k
        ? data.subarray(at * size, (at + 1) * size)
        : parity.subarray((at - k) * size, (at - k + 1) * size)
    })
    expect(equalBytes(decodeStripe(shards, k, n, size, kernel), data)).toBe(true)
    expect(equalBytes(rebuildShard(shards, 0, k, n, size, kernel), data.subarray(0, size))).toBe(true)
  })
})
