import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ProviderRecords } from '../../src/net/_provider-records.ts'

const object = fc.constantFrom('/dht/provider/aa', '/dht/provider/ab', '/dht/provider/bb')
const provider = fc.constantFrom('p', 'q', 'pq', 'ä', '')
const value = fc.uint8Array({ maxLength: 9 })
const step = fc.record({ object, provider, value: fc.option(value) })

test('holds what a plain map holds, whatever came and went in whatever order', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const records = new ProviderRecords()
      const known = new Map<string, Uint8Array>()
      for (const { object, provider, value } of steps) {
        const name = `${object}/${provider}`
        if (value) records.set(name, value)
        else records.delete(name)
        if (value) known.set(name, value)
        else known.delete(name)
        const beside = [...known.keys()].filter((one) => one.startsWith(`${object}/`))
        expect(records.countBeside(name)).toBe(beside.length)
        expect(records.has(name)).toBe(known.has(name))
      }
      expect(records.size).toBe(known.size)
      for (const [name, bytes] of known) expect(records.get(name)).toEqual(bytes)
      expect(records.get('/dht/provider/aa/none')).toBeNull()
      expect([...records.all()].sort()).toEqual([...known.keys()].sort())
      for (const one of ['/dht/provider/ab', '/dht/provider/bb', '/dht/provider/a', '/dht/provider'])
        expect(records.of(one).sort()).toEqual(
          [...known.keys()].filter((name) => name.slice(0, name.lastIndexOf('/')) === one).sort(),
        )
    }),
  )
})

test('a value that is kept does not change with the memory it came in', () => {
  const records = new ProviderRecords()
  const bytes = Uint8Array.of(1, 2)
  records.set('/o/p', bytes)
  bytes.fill(9)
  expect(records.get('/o/p')).toEqual(Uint8Array.of(1, 2))
})
