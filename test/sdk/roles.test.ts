import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { XcareError } from '../../src/errors.ts'
import { killProcess, stopProcess } from '../../src/sdk/roles/processes.ts'
import { bornOf, isAlive, runningRole } from '../../src/sdk/roles/role.ts'
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

/** A process that does nothing until it is ended. */
async function sleeper(): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['-e', 'console.log(1); setInterval(() => {}, 1000)'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  await once(child.stdout!, 'data')
  return child
}

function folderWithRun(name: string, run: unknown): string {
  const folder = join(scratch, name)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'run.json'), typeof run === 'string' ? run : JSON.stringify(run))
  return folder
}

const runOf = (pid: number, born: string) => ({ pid, born, startedMs: 1, ready: { nodeId: 'n' } })

describe.skipIf(!existsSync('/proc/self/stat'))('which process serves a folder', () => {
  test('is told by its run file while it lives, and by nothing afterwards', async () => {
    const child = await sleeper()
    const folder = folderWithRun('lives', runOf(child.pid!, bornOf(child.pid!)))
    expect(await runningRole(folder)).toMatchObject({ pid: child.pid, ready: { nodeId: 'n' } })
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(await runningRole(folder)).toBeNull()
  })

  test('is not another process that got its number', async () => {
    const child = await sleeper()
    const folder = folderWithRun('reused', runOf(child.pid!, '1'))
    expect(await runningRole(folder)).toBeNull()
    expect(await stopProcess({ kind: 'node', folder })).toBe(false)
    expect(await killProcess({ kind: 'node', folder })).toBeNull()
    expect(isAlive({ pid: child.pid!, born: bornOf(child.pid!) })).toBe(true)
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
    expect(await runningRole(folderWithRun('zombie', runOf(pid, born)))).toBeNull()
  })

  test('is nobody where nothing ever ran', async () => {
    expect(await runningRole(join(scratch, 'never'))).toBeNull()
  })

  test('a damaged run file is named, not guessed', async () => {
    for (const content of ['', '{', '[]', '{"pid":1}', JSON.stringify({ ...runOf(1, '1'), more: 1 })])
      expect(await codeOf(() => runningRole(folderWithRun('damaged', content))), content).toBe('MALFORMED')
  })

  test('stopping asks first and ends the process', async () => {
    const child = await sleeper()
    const folder = folderWithRun('stops', runOf(child.pid!, bornOf(child.pid!)))
    const [stopped, [, signal]] = await Promise.all([
      stopProcess({ kind: 'node', folder }),
      once(child, 'exit'),
    ])
    expect(stopped).toBe(true)
    expect(signal).toBe('SIGTERM')
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
    expect(await onFreePorts({ port: 4001, webPort: 4002 }, start)).toBe('started')
    expect(tried).toEqual([
      ['/ip4/127.0.0.1/tcp/4001', '/ip4/127.0.0.1/tcp/4002/ws'],
      ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/0/ws'],
    ])
    tried.length = 0
    expect(await codeOf(() => onFreePorts({ port: 0 }, start))).toBe('PORT_IN_USE')
    expect(tried).toEqual([['/ip4/127.0.0.1/tcp/0']])
  })
})
