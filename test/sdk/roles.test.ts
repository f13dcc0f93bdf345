import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { XcareError } from '../../src/errors.ts'
import { bootId } from '../../src/local/lock.ts'
import { bornOf, isAlive, lifeLockOf, lifeOf, runningRole } from '../../src/sdk/roles/life.ts'
import { killProcess, Launch, stopProcess } from '../../src/sdk/roles/processes.ts'
import {
  keepPorts,
  keepSeed,
  keepSigningKey,
  readRoleFile,
  writeRoleFile,
} from '../../src/sdk/roles/role-folder.ts'
import { onFreePorts, portsOf } from '../../src/sdk/roles/role-peer.ts'
import { codeOf, scratchFolder } from './scratch.ts'

const scratch = scratchFolder()
const children: ChildProcess[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

/** A folder that a process of its own holds, as a part does, with what it wrote down. */
async function heldFolder(
  name: string,
  content: (pid: number) => unknown,
  more = `console.log('held')`,
): Promise<[string, ChildProcess]> {
  const folder = join(scratch, name)
  mkdirSync(folder, { recursive: true })
  const program = `
    import { openTurnLock } from ${JSON.stringify(new URL('../../src/local/lock.ts', import.meta.url).href)}
    const lock = openTurnLock(process.argv[1])
    lock.tryTake()
    setInterval(() => lock, 1000)
    ${more}`
  const child = spawn(
    process.execPath,
    ['--input-type=module-typescript', '-e', program, lifeLockOf(folder)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  children.push(child)
  await once(child.stdout!, 'data')
  const run = content(child.pid!)
  writeFileSync(join(folder, 'run.json'), typeof run === 'string' ? run : JSON.stringify(run))
  return [folder, child]
}

const runOf = (pid: number, ready: unknown = { nodeId: 'n' }, born = bornOf(pid)) => ({
  ...{ pid, born, boot: bootId(), startedMs: 1, ready },
})

describe.skipIf(!existsSync('/proc/locks'))('which process lives in a folder', () => {
  test('is told while it lives, and by nothing afterwards', async () => {
    const [folder, child] = await heldFolder('lives', (pid) => runOf(pid))
    expect(await runningRole(folder)).toMatchObject({ pid: child.pid, ready: { nodeId: 'n' } })
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(await lifeOf(folder)).toEqual({ state: 'stopped' })
    expect(existsSync(join(folder, 'run.json'))).toBe(true)
  })

  test('is none in a copy of its folder: nothing of the original is ended from there', async () => {
    const [folder, child] = await heldFolder('original', (pid) => runOf(pid))
    const copy = join(scratch, 'copy-of-original')
    cpSync(folder, copy, { recursive: true })
    expect(await lifeOf(copy)).toEqual({ state: 'stopped' })
    expect(await stopProcess({ kind: 'node', folder: copy })).toBe(false)
    expect(await killProcess({ kind: 'node', folder: copy })).toBeNull()
    expect(isAlive({ pid: child.pid!, born: bornOf(child.pid!) })).toBe(true)
  })

  test('is found again where its folder was moved to', async () => {
    const [folder, child] = await heldFolder('before-the-move', (pid) => runOf(pid))
    renameSync(folder, join(scratch, 'after-the-move'))
    expect(await runningRole(join(scratch, 'after-the-move'))).toMatchObject({ pid: child.pid })
  })

  test('is starting until it says that it serves', async () => {
    const [folder, child] = await heldFolder('starting', (pid) => runOf(pid, null))
    expect(await lifeOf(folder)).toMatchObject({ state: 'starting', process: { pid: child.pid } })
    expect(await runningRole(folder)).toBeNull()
  })

  test.each([
    ['empty', () => ''],
    ['cut', () => '{"pid":1'],
    ['of another process', () => runOf(process.pid)],
    ['of another start of the machine', (pid: number) => ({ ...runOf(pid), boot: 'another' })],
    ['of an earlier process with its number', (pid: number) => runOf(pid, {}, '1')],
    ['of another shape', (pid: number) => ({ ...runOf(pid), more: 1 })],
  ])('is known to the system when what it wrote down is %s, and can be ended', async (name, content) => {
    const [folder, child] = await heldFolder(`held-${name}`, content)
    expect(await lifeOf(folder)).toMatchObject({ state: 'held', process: { pid: child.pid } })
    const ended = once(child, 'exit')
    expect(await stopProcess({ kind: 'node', folder })).toBe(true)
    expect((await ended)[1]).toBe('SIGTERM')
  })

  test('is a process that was killed until the last of its threads is gone: then its folder is free', async () => {
    // Its first thread ends at once; the other one has memory to give back before it lets go of the lock.
    const busy = `
      import { Worker } from 'node:worker_threads'
      const big = "const all = Array.from({ length: 40 }, () => Buffer.alloc(8 * 2 ** 20, 1)); setInterval(() => all, 1000)"
      new Worker(big + "; import('node:worker_threads').then(({ parentPort }) => parentPort.postMessage(0))", { eval: true }).on('message', () => console.log('held'))`
    for (let again = 0; again < 4; again++) {
      const [folder, child] = await heldFolder(`threads-${again}`, (pid) => runOf(pid), busy)
      const killed = await killProcess({ kind: 'node', folder })
      expect(killed).toBe(child.pid)
      expect(await lifeOf(folder)).toEqual({ state: 'stopped' })
    }
  })

  test('is not a process that ended and still has its number', async () => {
    // A program that knows of no children leaves them as zombies.
    const parent = spawn('sh', ['-c', 'sleep 60 & echo $!; exec sleep 61'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    children.push(parent)
    const [said] = await once(parent.stdout!, 'data')
    const pid = Number(String(said).trim())
    const born = bornOf(pid)
    const becomes = async (isSo: () => boolean) => {
      while (!isSo()) await new Promise(setImmediate)
    }
    await becomes(() => readFileSync(`/proc/${parent.pid}/comm`, 'utf8') === 'sleep\n')
    process.kill(pid, 'SIGKILL')
    await becomes(() => bornOf(pid) !== born)
    expect(() => process.kill(pid, 0)).not.toThrow()
    expect(isAlive({ pid, born })).toBe(false)
  })

  test('is nobody where nothing ever ran, and where the lock is no lock', async () => {
    expect(await lifeOf(join(scratch, 'never'))).toEqual({ state: 'stopped' })
    const folder = join(scratch, 'no-lock')
    mkdirSync(folder)
    writeFileSync(
      lifeLockOf(folder),
      'a text that somebody left here, longer than the head of a database '.repeat(9),
    )
    writeFileSync(join(folder, 'run.json'), JSON.stringify(runOf(process.pid)))
    expect(await lifeOf(folder)).toEqual({ state: 'stopped' })
  })
})

describe('a part that is not there', () => {
  test('is told, and leaves nothing where it was looked for', async () => {
    const folder = join(scratch, 'no-part-here')
    const program = new URL('../../src/cli/main.ts', import.meta.url).pathname
    const child = spawn(process.execPath, [program, 'node', 'run', '--dir', folder], { stdio: 'ignore' })
    expect((await once(child, 'exit'))[0]).toBe(10)
    expect(existsSync(folder)).toBe(false)
  })
})

describe('what one command started', () => {
  test('is ended with it, also while it is only starting; then nothing is started any more', async () => {
    const launch = new Launch()
    const role = { kind: 'anchor' as const, folder: join(scratch, 'unready') }
    await writeRoleFile(role.folder, { kind: 'anchor', rpcPort: 0, port: 0 })
    const starting = launch.start(role)
    starting.catch(() => {})
    while (launch.isEmpty) await new Promise(setImmediate)
    await launch.end()
    await expect(starting).rejects.toMatchObject({ name: 'XcareError' })
    expect(await lifeOf(role.folder)).toEqual({ state: 'stopped' })
    expect(await codeOf(() => launch.start(role))).toBe('INTERRUPTED')
  })
})

describe('the set-up of a part', () => {
  const NODE = {
    kind: 'node' as const,
    networkDir: '..',
    institution: 'operator-01',
    network: 'local-01',
    region: 'north',
    quotaBytes: 1 << 30,
    port: 0,
  }

  test('is kept and read back; another kind or none is told', async () => {
    const folder = join(scratch, 'node')
    await writeRoleFile(folder, NODE)
    expect(await readRoleFile(folder, 'node')).toEqual(NODE)
    expect(await codeOf(() => readRoleFile(folder, 'guardian'))).toBe('NOT_INITIALISED')
    expect(await codeOf(() => readRoleFile(join(scratch, 'none'), 'node'))).toBe('NOT_INITIALISED')
  })

  test.each([
    ['a port out of range', { ...NODE, port: 65_536 }],
    ['a field too many', { ...NODE, secret: 1 }],
    ['a field too few', { ...NODE, region: undefined }],
    ['no such kind', { ...NODE, kind: 'miner' }],
  ])('with %s is damaged', async (_, role) => {
    const folder = join(scratch, 'wrong')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'role.json'), JSON.stringify(role))
    expect(await codeOf(() => readRoleFile(folder, 'node'))).toBe('MALFORMED')
  })

  test('has keys that stay, closed to others; a damaged one is never replaced', async () => {
    const folder = join(scratch, 'keys-of-a-part')
    const first = await keepSigningKey(folder, 'operator')
    expect((await keepSigningKey(folder, 'operator')).publicKey).toEqual(first.publicKey)
    expect((await keepSigningKey(folder, 'governor')).publicKey).not.toEqual(first.publicKey)
    const path = join(folder, 'keys', 'operator')
    expect(statSync(path).mode & 0o077).toBe(0)
    expect(statSync(join(folder, 'keys')).mode & 0o077).toBe(0)
    writeFileSync(path, new Uint8Array(31))
    expect(await codeOf(() => keepSeed(folder, 'operator'))).toBe('MALFORMED')
    expect(statSync(path).size).toBe(31)
  })

  test('ports of addresses: the first of each kind', () => {
    const web = '/ip4/127.0.0.1/tcp/4003/ws'
    expect(portsOf(['/ip4/127.0.0.1/tcp/4001', '/ip4/127.0.0.1/tcp/4002'])).toEqual({ port: 4001 })
    expect(portsOf([web, '/ip4/127.0.0.1/tcp/4001'])).toEqual({ port: 4001, webPort: 4003 })
    expect(portsOf(['/dns4/example/udp/1'])).toEqual({ port: 0 })
    expect(portsOf([])).toEqual({ port: 0 })
  })

  test('with a web port or without one keeps both as they are', async () => {
    const folder = join(scratch, 'ports')
    await keepPorts(folder, NODE, { port: 4001 })
    expect(await readRoleFile(folder, 'node')).toEqual({ ...NODE, port: 4001 })
    await keepPorts(folder, { ...NODE, webPort: 0 }, { port: 4001, webPort: 4002 })
    expect(await readRoleFile(folder, 'node')).toEqual({ ...NODE, port: 4001, webPort: 4002 })
  })

  test('whose port was taken meanwhile starts on others; where both are any, nothing is tried twice', async () => {
    const tried: string[][] = []
    const start = async (listen: string[]) => {
      tried.push(listen)
      if (tried.length === 1) throw new XcareError('PORT_IN_USE', 'taken')
      return 'started'
    }
    expect(await onFreePorts({ port: 4001, webPort: 4002 }, () => {}, start)).toBe('started')
    expect(tried).toEqual([
      ['/ip4/127.0.0.1/tcp/4001', '/ip4/127.0.0.1/tcp/4002/ws'],
      ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/0/ws'],
    ])
    tried.length = 0
    expect(await codeOf(() => onFreePorts({ port: 0 }, () => {}, start))).toBe('PORT_IN_USE')
    expect(tried).toEqual([['/ip4/127.0.0.1/tcp/0']])
  })
})
