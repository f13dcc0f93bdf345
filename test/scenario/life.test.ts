import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { lifeOf } from '../../src/sdk/roles/life.ts'
import { TestNetwork, xcare } from './network.ts'

const PROGRAM = new URL('../../src/cli/main.ts', import.meta.url).pathname
const net = new TestNetwork()
const children: ChildProcess[] = []
let objectId = ''

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  await net.end()
}, 60_000)

/** An `up` that runs meanwhile; resolves once it has said `text`. */
async function upUntil(text: string, ...args: string[]): Promise<ChildProcess> {
  const child = spawn(process.execPath, [PROGRAM, 'up', '--dir', net.root, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  let said = ''
  await new Promise<void>((resolve) => {
    // Read on afterwards: a reader that goes away would end it.
    child.stdout!.setEncoding('utf8').on('data', (piece) => {
      said += piece
      if (said.includes(text)) resolve()
    })
    child.once('exit', () => resolve())
  })
  expect(said).toContain(text)
  return child
}

/** Process numbers of whatever lives in the folder of the network. */
async function living(root = net.root): Promise<number[]> {
  const folders = ['nodes', 'guardians'].flatMap((kind) =>
    readdirSync(join(root, kind)).map((name) => join(root, kind, name)),
  )
  const lives = await Promise.all([join(root, 'anchor'), ...folders].map(lifeOf))
  return lives.flatMap((life) => (life.state === 'stopped' || !life.process ? [] : [life.process.pid]))
}

const get = () => net.run('get', objectId, '-o', net.path(`got-${Math.random()}`))

describe('the life of a local network', () => {
  test('the first start shows the story; the next adds nothing, kills nothing, and stays until it is told', async () => {
    writeFileSync(net.path('record.txt'), 'a record')
    const made = await net.run('up', '--once', net.path('record.txt'))
    expect(made.result, JSON.stringify(made.result)).toMatchObject({ ok: true, killed: 6 })
    objectId = String((made.result.objects as { objectId: string }[])[0]!.objectId)
    expect(await living()).toEqual([])
    const up = await upUntil('keeps running')
    const before = await living()
    expect(before).toHaveLength(17)
    expect((await net.run('ls')).result.records).toHaveLength(1)
    const second = await net.run('up')
    expect(second.exit).toBe(0)
    expect(await living()).toEqual(before)
    up.kill('SIGINT')
    expect((await once(up, 'exit'))[0]).toBe(0)
    expect(await living()).toEqual([])
  }, 240_000)

  test('two starts at once: one starts it, the other waits and joins; nothing is ended', async () => {
    const [one, other] = await Promise.all([upUntil('keeps running'), upUntil('keeps running')])
    expect(await living()).toHaveLength(17)
    expect((await net.run('down')).result).toMatchObject({ stopped: 17 })
    for (const child of [one, other]) {
      if (child.exitCode === null) await once(child, 'exit')
      expect(child.exitCode).toBe(0)
    }
  }, 240_000)

  // Before anything runs, while the chain starts, with some parts serving and others only begun.
  test.each(['The network in', 'starting the anchoring chain', 'guardians: 1 of', 'guardians: 9 of'])(
    'interrupted after "%s" it leaves no process behind',
    async (moment) => {
      const up = await upUntil(moment, '--json')
      up.kill('SIGINT')
      expect((await once(up, 'exit'))[0]).toBe(130)
      expect(await living()).toEqual([])
    },
    120_000,
  )

  test('with a lost disk, a lost folder, a garbled file and strangers it comes up, names them, and reads', async () => {
    rmSync(join(net.root, 'nodes/11/data/volumes'), { recursive: true })
    rmSync(join(net.root, 'nodes/12'), { recursive: true })
    writeFileSync(join(net.root, 'nodes/10/role.json'), '{"kind":')
    writeFileSync(join(net.root, 'nodes/09/run.json'), '{"pid":')
    writeFileSync(join(net.root, 'nodes/notes.txt'), '')
    const said = await net.run('up')
    expect(said.exit).toBe(3)
    const { missing, changed } = said.result as {
      missing: { name: string; next: string }[]
      changed: { name: string }[]
    }
    expect(missing.map(({ name }) => name).sort()).toEqual(['node 10', 'node 12'])
    for (const { next } of missing) expect(next).toContain('node reset')
    expect(changed.map(({ name }) => name)).toEqual(['node 11'])
    expect(await living()).toHaveLength(15)
    expect((await net.run('status')).exit).toBe(0)
    expect((await get()).exit).toBe(0)
    await xcare(['node', 'reset', '--dir', join(net.root, 'nodes/12')])
    await xcare(['node', 'reset', '--dir', join(net.root, 'nodes/10')])
    const again = await net.run('up')
    expect(again.result, JSON.stringify(again.result)).toMatchObject({ ok: true, missing: [] })
    expect(await living()).toHaveLength(17)
  }, 240_000)

  test('a copy ends and displaces nothing of the original', async () => {
    const copy = net.path('copy')
    cpSync(net.root, copy, { recursive: true })
    const before = await living()
    expect((await xcare(['down', '--dir', copy])).result).toMatchObject({ stopped: 0 })
    expect((await xcare(['up', '--dir', copy])).result).toMatchObject({ ok: false, code: 'LOCKED' })
    const twin = net.path('twin')
    cpSync(join(net.root, 'nodes/01'), twin, { recursive: true })
    cpSync(join(net.root, 'network.json'), join(twin, 'network.json'))
    expect((await xcare(['node', 'run', '--dir', twin])).exit).toBe(11)
    expect(await living()).toEqual(before)
    expect(await living(copy)).toEqual([])
    await net.run('down')
  }, 120_000)

  test('it comes up where its folder was moved to', async () => {
    const moved = net.path('moved here')
    renameSync(net.root, moved)
    const up = await xcare(['up', '--once', '--dir', moved])
    renameSync(moved, net.root)
    expect(up.result, JSON.stringify(up.result)).toMatchObject({ ok: true, missing: [] })
    expect(readFileSync(join(net.root, 'nodes/01/role.json'), 'utf8')).not.toContain(net.dir)
  }, 120_000)
})
