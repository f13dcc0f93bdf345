import { spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { TestNetwork } from './network.ts'

const PROGRAM = new URL('../../src/cli/main.ts', import.meta.url).pathname
/** Moments of the story at which a part is killed: after which event, and which part; null is the command itself. */
const MOMENTS: { after: string; part: string | null; owner: string }[] = [
  // A new network's story is its owner's; on one that is there it is somebody else's.
  { after: 'stored', part: 'anchor', owner: 'owner' },
  { after: 'places', part: 'guardians/2', owner: 'story-owner' },
  { after: 'granted', part: null, owner: 'story-owner' },
  { after: 'put-progress', part: 'nodes/12', owner: 'story-owner' },
]
const net = new TestNetwork()

afterAll(() => net.end(), 60_000)

/** Plays the story and kills `part` after the first event of that type. @returns what was acknowledged as stored. */
async function interruptedStory({ after, part }: (typeof MOMENTS)[number]): Promise<string[]> {
  const child = spawn(process.execPath, [PROGRAM, 'up', '--once', '--json', '--dir', net.root], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const stored: string[] = []
  let pending = ''
  let killed = false
  for await (const text of child.stdout.setEncoding('utf8')) {
    const lines = (pending + text).split('\n')
    pending = lines.pop()!
    for (const event of lines.map((line) => JSON.parse(line))) {
      if (event.type === 'stored') stored.push(event.objectId)
      if (killed || event.type !== after) continue
      killed = true
      if (part === null) child.kill('SIGKILL')
      else net.kill(part)
    }
  }
  expect(killed).toBe(true)
  return stored
}

describe('kill -9 in the middle of the story', () => {
  test.each(MOMENTS)(
    'of $part after "$after": the story can be completed, nothing acknowledged is missing',
    async (moment) => {
      const stored = await interruptedStory(moment)
      const again = await net.runPatiently('up', '--once')
      expect(again.result, JSON.stringify(again.result)).toMatchObject({ ok: true, lostBytes: 0 })
      const listed = (await net.run('ls', '--as', moment.owner)).result.records as { objectId: string }[]
      expect(listed.map(({ objectId }) => objectId)).toEqual(expect.arrayContaining(stored))
      // A story that ended with --once stopped everything: bring it up to read what was acknowledged before the kill.
      await net.restart('anchor')
      await Promise.all(
        [1, 2, 3, 4, 5, 6, 7, 8].map((at) => net.restart(`nodes/${String(at).padStart(2, '0')}`)),
      )
      for (const objectId of stored) {
        const target = join(net.dir, 'again')
        rmSync(target, { force: true })
        expect((await net.runPatiently('get', objectId, '-o', target, '--as', moment.owner)).exit).toBe(0)
        expect(existsSync(target) && readFileSync(target).length > 0).toBe(true)
      }
      await net.run('down')
    },
    300_000,
  )
})
