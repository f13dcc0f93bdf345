import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { equalBytes, u32be } from '../../../src/bytes.ts'
import { sha512 } from '../../../src/crypto/hash.ts'
import { codeOf } from '../../../src/fragment/erasure/code.ts'
import { decodeStripe, encodeStripe, rebuildShard } from '../../../src/fragment/erasure/erasure.ts'
import { bestKernel } from '../../../src/fragment/erasure/pick-kernel.ts'
import { plainKernel } from '../../../src/fragment/erasure/plain-kernel.ts'
import { simdKernelOf } from '../../../src/fragment/erasure/simd-kernel.ts'
import { multiply8, multiply16, referenceShard } from './reference.ts'

function sample(length: number, seed: number): Uint8Array {
  const out = new Uint8Array(length)
  for (let at = 0; at < length; at += 64) out.set(sha512(u32be(seed), u32be(at)), at)
  return out
}

/** sum += factor * row, symbol by symbol. */
function addProduct(sum: Uint8Array, row: Uint8Array, factor: number): void {
  for (let at = 0; at < sum.length; at++) {
    if (factor < 256) sum[at] ^= multiply8(factor, row[at])
    else if (at % 64 < 32) {
      const product = multiply16(factor, row[at] | (row[at + 32] << 8))
      sum[at] ^= product & 255
      sum[at + 32] ^= product >> 8
    }
  }
}

const strict = simdKernelOf('strict')!
const relaxed = simdKernelOf('relaxed')!

describe('the compiled kernel', () => {
  it('runs here in both builds, and the relaxed one is taken', () => {
    expect([strict.name, relaxed.name]).toEqual(['simd', 'simd'])
    expect(bestKernel()).toBe(relaxed)
  })

  it.skipIf(!existsSync('node_modules/assemblyscript'))(
    'is what its source compiles to, byte for byte (needs the development package assemblyscript)',
    () => {
      const { status, stderr } = spawnSync(process.execPath, ['bin/build-kernel.mjs', '--check'], {
        encoding: 'utf8',
      })
      expect(status, stderr).toBe(0)
    },
    120_000,
  )
})

describe.each([
  ['plain', plainKernel()],
  ['strict', strict],
  ['relaxed', relaxed],
])('%s kernel', (name, kernel) => {
  it('computes weighted sums as field arithmetic says, and leaves everything else alone', () => {
    for (const wide of [false, true])
      for (const outputs of [1, 2, 3, 4, 5, 9])
        for (const inputs of [1, 2, 3, 7]) {
          const weights = Array.from({ length: outputs }, (_, i) =>
            Uint16Array.from({ length: inputs }, (_, j) =>
              wide ? (i * 7919 + j * 104729) & 0xffff : (i * 31 + j * 7) & 255,
            ),
          )
          const [stride, bytes] = [320, 192]
          const memory = kernel.workspace(inputs + outputs, stride, 0).fill(7)
          const rows = Array.from({ length: inputs }, (_, at) => sample(bytes, at))
          rows.forEach((row, at) => {
            memory.set(row, at * stride)
          })
          kernel.sums({ stride, bytes }, weights, wide)
          weights.forEach((row, at) => {
            const sum = new Uint8Array(bytes)
            rows.forEach((input, j) => {
              addProduct(sum, input, row[j])
            })
            const to = (inputs + at) * stride
            expect(equalBytes(memory.subarray(to, to + bytes), sum), `${outputs}x${inputs} ${wide}`).toBe(
              true,
            )
            expect(memory.subarray(to + bytes, to + stride).every((byte) => byte === 7)).toBe(true)
          })
        }
  })

  it('transforms to parity of the definition, group by group, and back', () => {
    for (const [k, n] of [
      [2, 3],
      [3, 20],
      [5, 9],
      [16, 32],
      [21, 130],
      [70, 140],
      [100, 230],
      [130, 260],
      [60, 330],
    ]) {
      const code = codeOf(k, n)
      const { span } = code
      const [stride, bytes] = [192, 128]
      const groups = Math.ceil((n - k) / span)
      const memory = kernel.workspace(groups * span, stride, 2 * span).fill(0xee)
      const data = Array.from({ length: k }, (_, at) => sample(bytes, at))
      data.forEach((row, at) => {
        memory.set(row, at * stride)
      })
      kernel.encode({ stride, bytes }, code, n - k)
      const known = new Map(data.map((row, at) => [at, row]))
      const at = (row: number) => memory.slice(row * stride, row * stride + bytes)
      const placeOf = (parity: number) => {
        const first = (groups - 1) * span
        return parity < first ? span + parity : parity - first
      }
      for (const parity of new Set([0, Math.min(span, n - k) - 1, n - k - 1]))
        expect(
          equalBytes(at(placeOf(parity)), referenceShard(known, k + parity, k, n)),
          `${k}/${n} ${parity}`,
        ).toBe(true)
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
    const other = name === 'plain' ? relaxed : plainKernel()
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
