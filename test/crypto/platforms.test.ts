import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { apiDigest } from './api-digest.ts'

const SCRIPT = `import('./api-digest.ts').then(async ({ apiDigest }) => console.log(JSON.stringify(await apiDigest())))`

describe('the room crypto', () => {
  it('gives the same answers when a bundler or runtime picks the browser half', async () => {
    const run = spawnSync(process.execPath, ['--conditions=browser', '--input-type=module', '-e', SCRIPT], {
      cwd: import.meta.dirname,
      encoding: 'utf8',
    })
    expect(run.stderr).toBe('')
    const browser = JSON.parse(run.stdout)
    const node = await apiDigest()
    expect([node.platform, browser.platform]).toEqual(['node', 'browser'])
    expect(browser.answers).toEqual(node.answers)
    expect(node.answers).toMatchObject({
      verified: 'true',
      refused: 'false',
      consensus: 'true',
      random: 'true',
    })
  })
})
