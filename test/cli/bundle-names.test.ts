import { expect, test } from 'vitest'
import { bundleNames } from '../../src/cli/files/put-jobs.ts'

test.each([
  [['/a/b/one.json'], ['one.json']],
  [
    ['/a/b/one.json', '/a/b/two.json'],
    ['one.json', 'two.json'],
  ],
  [
    ['/a/x/one.json', '/a/y/one.json'],
    ['x/one.json', 'y/one.json'],
  ],
  [
    ['/a/b/../c/one.json', '/a/c/d/one.json'],
    ['one.json', 'd/one.json'],
  ],
  [
    ['/one', '/b/one'],
    ['one', 'b/one'],
  ],
])('files %j are called %j in a bundle', (paths, names) => {
  expect(bundleNames(paths)).toEqual(names)
})
