import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { BASIS8, EXP8, LOG8, mul8, POINTS8, PRODUCTS8 } from '../../../src/fragment/erasure/field8.ts'
import { field16, mul16 } from '../../../src/fragment/erasure/field16.ts'
import { shared } from '../../shared-data.ts'
import vectors from '../../vectors/erasure-code.json' with { type: 'json' }
import { multiply8, multiply16, point } from './reference.ts'

const external = shared('vectors/reed-solomon/gf256-values.json')

describe('GF(2^8)', () => {
  it('multiplies like polynomials modulo 0x11d', () => {
    for (let x = 0; x < 256; x++)
      for (let y = 0; y < 256; y++) {
        const product = multiply8(x, y)
        if (mul8(x, y) !== product || PRODUCTS8[(x << 8) | y] !== product) expect.fail(`${x} * ${y}`)
      }
  })

  it('has the frozen basis, and points that are all different', () => {
    expect(BASIS8).toEqual(vectors.basis.slice(0, 8))
    expect(new Set(POINTS8).size).toBe(256)
    for (let j = 0; j < 256; j++) expect(POINTS8[j]).toBe(point(j, false))
  })

  describe.skipIf(external === null)('published values (needs ../shared/vectors)', () => {
    const { mul, exp, mul_slice } = external
      ? JSON.parse(readFileSync(external, 'utf8'))
      : { mul: [], exp: [], mul_slice: [] }

    it('products, powers and rows agree', () => {
      for (const [x, y, product] of mul) expect(mul8(x, y)).toBe(product)
      for (const [x, power, result] of exp) expect(EXP8[(LOG8[x] * power) % 255]).toBe(result)
      for (const row of mul_slice) expect(row.in.map((x: number) => mul8(row.by, x))).toEqual(row.out)
      expect(mul.length + exp.length + mul_slice.length).toBeGreaterThan(7)
    })
  })
})

describe('GF(2^16)', () => {
  it('multiplies like the tower of the definition', () => {
    let x = 1
    for (let at = 0; at < 20_000; at++) {
      x = (Math.imul(x, 69069) + 1) >>> 0
      const [a, b] = [x >>> 16, (x ^ (x >>> 7)) & 0xffff]
      if (mul16(a, b) !== multiply16(a, b)) expect.fail(`${a} * ${b}`)
    }
  })

  it('has the frozen basis, every element as a point once, and logarithms that invert powers', () => {
    const { points, exp, log } = field16()
    expect(Array.from({ length: 16 }, (_, bit) => points[1 << bit])).toEqual(vectors.basis)
    expect(new Set(points).size).toBe(65536)
    expect([...points.subarray(0, 256)]).toEqual([...POINTS8])
    for (const j of [256, 1000, 65535]) expect(points[j]).toBe(point(j, true))
    for (let x = 1; x < 65536; x++) if (exp[log[x]] !== x) expect.fail(`${x}`)
  })
})
