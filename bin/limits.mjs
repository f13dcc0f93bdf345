#!/usr/bin/env node
// Writes docs/LIMITS.md from src/limits.ts: `node bin/node24.mjs bin/limits.mjs`; with --print it only shows the page.
import { readFileSync, writeFileSync } from 'node:fs'
import * as all from '../src/limits.ts'

const limits = new Map(Object.entries(all))
const SOURCE = new URL('../src/limits.ts', import.meta.url)
const PAGE = new URL('../docs/LIMITS.md', import.meta.url)
const SIZES = [
  [1024 ** 3, 'GiB'],
  [1024 ** 2, 'MiB'],
  [1024, 'KiB'],
]
const SPANS = [
  [24 * 3600_000, 'd'],
  [3600_000, 'h'],
  [60_000, 'min'],
  [1000, 's'],
]

/** The largest unit that leaves a whole number; smaller numbers stay in the base unit. */
function inUnits(value, units, base) {
  const [size, unit] = units.find(([size]) => value >= size && value % size === 0) ?? [1, base]
  return `${(value / size).toLocaleString('en-US')} ${unit}`
}

/** How a budget is divided, in words. */
function sharesOf({ total, reserved, perStranger, perProven, perAddress }) {
  const kept = Object.entries(reserved).flatMap(([standing, amount]) =>
    amount > 0 ? [`${standing}s ${amount}`] : [],
  )
  const caps = [`one stranger ${perStranger}`, `one of a standing ${perProven}`, `one address ${perAddress}`]
  const parts = [...kept, ...caps]
  return `${total.toLocaleString('en-US')}: ${parts.join(', ')}`
}

/** How what comes back with time is divided, in words. */
function rateOf({ perSecond, burst, reserved, perHolder, perAddress }) {
  const kept = Object.entries(reserved).flatMap(([standing, part]) =>
    part > 0 ? [`${standing}s ${part * 100} %`] : [],
  )
  const one = ({ perSecond, burst }) =>
    `${perSecond.toLocaleString('en-US')} a second, ${burst.toLocaleString('en-US')} at once`
  return [
    one({ perSecond, burst }),
    ...kept,
    `one party ${one(perHolder)}`,
    `one address ${one(perAddress)}`,
  ].join('; ')
}

function shown(name) {
  const value = limits.get(name)
  if (typeof value === 'object') return 'perSecond' in value ? rateOf(value) : sharesOf(value)
  if (/_MS(_|$)/.test(name)) return inUnits(value, SPANS, 'ms')
  if (/(^|_)BYTES(_|$)/.test(name)) return inUnits(value, SIZES, 'bytes')
  return value.toLocaleString('en-US')
}

/** One row for each doc comment and the numbers that follow it. */
function rowsOf(source) {
  const found = source.matchAll(
    /\/\*\*((?: .+?|\n(?: \* .+\n)+)) \*\/\n((?:export const \w+(?:: \w+)? = (?:\{\n(?: {2}.+\n)+\}|.+)\n)+)/g,
  )
  return Array.from(found, ([, what, lines]) => {
    const names = Array.from(lines.matchAll(/^export const (\w+)/gm), ([, name]) => name)
    const sentence = what.replaceAll(/\s*\n \* /g, ' ').trim()
    return `| ${sentence} | ${names.map((name) => `\`${name}\` ${shown(name)}`).join('<br>')} |`
  })
}

function relationsOf(source) {
  return Array.from(source.matchAll(/^assert\([^']+'([^']+)',?\s*\)/gm), ([, sentence]) => `- ${sentence}`)
}

function page(source) {
  return `# Limits

Made from \`src/limits.ts\` by \`bin/limits.mjs\`; a test compares the two.

| what | limit |
| --- | --- |
${rowsOf(source).join('\n')}

These hold between them, and are checked whenever the program starts:

${relationsOf(source).join('\n')}
`
}

const text = page(readFileSync(SOURCE, 'utf8'))
if (process.argv.includes('--print')) process.stdout.write(text)
else writeFileSync(PAGE, text)
