import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { bytesOf, readOptions } from '../../bench/harness/options.ts'
import { cpuSecondsOf, treeOf } from '../../bench/harness/processes.ts'
import { interleaved, median, range, threeDigits } from '../../bench/harness/statistics.ts'

describe('statistics', () => {
  test('the median is the middle one, whatever the order', () => {
    expect(median([3])).toBe(3)
    expect(median([9, 1, 5])).toBe(5)
    expect(median([4, 1, 3, 2])).toBe(2.5)
    expect(() => median([])).toThrow(RangeError)
    expect(range([2, 1, 3])).toEqual({ min: 1, max: 3 })
  })

  test('no run of a system follows another run of it, and all go first once', () => {
    const rounds = interleaved(['a', 'b', 'c'], 5)
    const order = rounds.flat()
    expect(order).toHaveLength(15)
    expect(order.filter((one, at) => one === order[at + 1])).toEqual([])
    expect(new Set(rounds.map(([first]) => first)).size).toBe(3)
    for (const round of rounds) expect([...round].sort()).toEqual(['a', 'b', 'c'])
  })

  test.each([
    [0.012345, '0.0123'],
    [1.005, '1.00'],
    [99.96, '100'],
    [0.0099998, '0.0100'],
    [123.4, '123'],
    [98765, '98800'],
    [0, '0.00'],
    [Number.NaN, '-'],
  ])('%d is written %s', (value, text) => {
    expect(threeDigits(value)).toBe(text)
  })
})

describe('the command line', () => {
  test('has a default for everything', () => {
    expect(readOptions([])).toMatchObject({
      only: [],
      repeats: 5,
      sizes: ['64MiB', '256MiB'],
      records: 1000,
      install: false,
    })
    expect(readOptions(['--only', 'xcare,helia', '--size', '1GiB']).only).toEqual(['xcare', 'helia'])
  })

  test('sizes are whole and bounded', () => {
    expect(bytesOf('64MiB')).toBe(67_108_864)
    for (const size of ['64', '64MB', '0MiB', '2GiB', '1.5MiB', '-1MiB'])
      expect(() => bytesOf(size)).toThrow(RangeError)
  })

  test.each([['--repeats', '0'], ['--repeats', 'x'], ['--records', '-1'], ['--size', 'big'], ['--nothing']])(
    'refuses %s %s',
    (...args) => {
      expect(() => readOptions(args.filter((arg) => arg !== undefined))).toThrow()
    },
  )
})

test('a process tree counts children, ended ones too', async () => {
  const busy = 'const end = process.cpuUsage().user + 100000; while (process.cpuUsage().user < end);'
  const code = `require('node:child_process').spawnSync(process.execPath, ['-e', ${JSON.stringify(busy)}]);
    require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']); console.log('ready'); setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  const tree = treeOf([child.pid!])
  try {
    expect(tree).toHaveLength(2)
    expect(cpuSecondsOf([child.pid!])).toBeGreaterThanOrEqual(0.1)
    expect(cpuSecondsOf([])).toBe(0)
  } finally {
    for (const pid of tree) process.kill(pid)
  }
})
