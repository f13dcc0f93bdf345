import { randomBytes } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { objectIdFromBytes } from '../../src/ids.ts'
import { LOCAL_SIZE } from '../../src/sdk/network/local-network.ts'
import { networkFolder } from '../../src/sdk/network/network-folder.ts'
import { startNetwork } from '../../src/sdk/network/start-network.ts'
import { keptWallet } from '../../src/sdk/wallet.ts'
import { type Said, TestNetwork } from './network.ts'

const net = new TestNetwork()
const files = [
  { path: net.path('scan.bin'), bytes: randomBytes(3_000_000), objectId: '' },
  { path: net.path('letter.txt'), bytes: randomBytes(4_000), objectId: '' },
]

beforeAll(async () => {
  const folder = networkFolder(net.root)
  const network = await startNetwork(folder, LOCAL_SIZE, () => {})
  await (await keptWallet(folder.wallet('owner'), network)).close()
  for (const { path, bytes } of files) writeFileSync(path, bytes)
  const { result } = await net.run('put', ...files.map(({ path }) => path))
  for (const [at, { objectId }] of (result.objects as { objectId: string }[]).entries())
    files[at]!.objectId = objectId
}, 180_000)

afterAll(() => net.end(), 60_000)

const nodes = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, at) => `nodes/${String(from + at).padStart(2, '0')}`)

async function loseDisk(part: string): Promise<void> {
  net.kill(part)
  rmSync(join(net.root, part, 'data'), { recursive: true })
  await net.restart(part)
}

const textsOf = ({ events }: Said, type: string) =>
  events.filter((event) => event.type === type).map(({ text }) => String(text))

describe('a node whose disk is gone', () => {
  test('has its columns again after one command, and then counts when six others are killed', async () => {
    await loseDisk('nodes/01')
    const said = await net.run('repair')
    expect(said.exit, JSON.stringify(said.result)).toBe(0)
    expect(textsOf(said, 'repaired')).toEqual([
      expect.stringMatching(/^scan\.bin: 1 column made again on storage node \S+: 12 of 12 columns$/),
      expect.stringMatching(/^letter\.txt: 1 column made again on storage node \S+: 12 of 12 columns$/),
    ])
    expect(said.result.text).toMatch(/^24 of 24 columns of 2 objects are there: \d+ fragments made again$/)
    for (const part of nodes(7, 12)) net.kill(part)
    for (const { objectId, bytes } of files) {
      const target = net.path(`got-${objectId.slice(-8)}`)
      expect((await net.run('get', objectId, '-o', target)).exit).toBe(0)
      expect(readFileSync(target).equals(bytes)).toBe(true)
    }
  }, 120_000)

  test('with seven gone there is nothing to make it from: exit 17 and a next step; with six, the sixth is given what it lost', async () => {
    net.kill('nodes/06')
    const { exit, result } = await net.run('repair', files[0]!.objectId)
    expect(exit).toBe(17)
    expect(result).toMatchObject({ ok: false, code: 'TOO_FEW_FRAGMENTS' })
    expect(result.next).toMatch(/with 7 columns do not answer: try again when they are back/)
    await Promise.all([...nodes(6, 7), ...nodes(9, 12)].map((part) => net.restart(part)))
    await loseDisk('nodes/02')
    const partly = await net.run('repair', files[0]!.objectId)
    expect(partly.exit).toBe(3)
    const [text] = textsOf(partly, 'repaired')
    expect(text).toMatch(/1 column made again on storage node \S+: 11 of 12 columns\n/)
    expect(text).toMatch(/is away with 1 column: run `npx xcare repair --dir \S+` again when it is back/)
    await net.restart('nodes/08')
    const whole = await net.run('repair', files[0]!.objectId)
    expect(whole.exit).toBe(0)
    expect(whole.result.text).toBe('12 of 12 columns are there: nothing to do')
  }, 120_000)

  test('a record of somebody else is not found, with what to do', async () => {
    const { exit, result } = await net.run('repair', objectIdFromBytes(randomBytes(32)))
    expect(exit).toBe(2)
    expect(result).toMatchObject({ code: 'NOT_FOUND', next: expect.stringContaining('npx xcare ls') })
  }, 60_000)
})
