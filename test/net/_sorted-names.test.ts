import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SortedNames } from '../../src/net/_sorted-names.ts'

const name = fc.string({ unit: fc.constantFrom('a', 'b', '/', '\u{10000}', '\u{ffff}'), maxLength: 6 })

test('finds what a plain sorted list finds, whatever came and went in whatever order', () => {
  const steps = fc.array(fc.tuple(fc.boolean(), name), { maxLength: 3000, size: 'max' })
  fc.assert(
    fc.property(steps, fc.array(name), (changes, prefixes) => {
      const names = new SortedNames()
      const known = new Set<string>()
      for (const [isThere, one] of changes) {
        if (known.has(one) === isThere) continue
        if (isThere) names.add(one)
        else names.remove(one)
        if (isThere) known.add(one)
        else known.delete(one)
      }
      for (const prefix of ['', ...prefixes])
        expect(names.startingWith(prefix)).toEqual([...known].filter((one) => one.startsWith(prefix)).sort())
    }),
    // Thousands of names take minutes to shrink; the next test is the small one.
    { numRuns: 50, endOnFailure: true },
  )
})

test('keeps order over many buckets, filled from both ends, the middle and emptied again', () => {
  const names = new SortedNames()
  const all = Array.from({ length: 5000 }, (_, at) => `/${(at * 1237) % 5000}`.padStart(6, '/'))
  for (const one of all) names.add(one)
  expect(names.startingWith('')).toEqual([...all].sort())
  expect(names.startingWith('//12')).toEqual(all.filter((one) => one.startsWith('//12')).sort())
  for (const one of all.slice(1)) names.remove(one)
  expect(names.startingWith('')).toEqual([all[0]])
  names.remove(all[0]!)
  expect(names.startingWith('')).toEqual([])
  names.add('again')
  expect(names.startingWith('a')).toEqual(['again'])
})
