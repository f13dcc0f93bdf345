import { expect, test } from 'vitest'
import { violationsIn } from './cruise.ts'

test('imports go down only, never sideways, in no circle, through one door a library', async () => {
  const { files, violations } = await violationsIn(process.cwd())
  expect(violations).toEqual([])
  expect(files).toBeGreaterThan(200)
})
