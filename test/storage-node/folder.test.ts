import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { asXcareError } from '../../src/errors.ts'
import { openStore } from '../../src/storage-node/disk/open-store.ts'
import { AUDIENCE, makeObject, openPutOf } from './made-object.ts'
import { ServedNode } from './served-node.ts'
import { expectKept, type Promised, putSome } from './store-model.ts'
import { smallObject } from './writer-objects.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

let path: string
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'xcare-folder-'))
})
afterEach(() => rmSync(path, { recursive: true, force: true }))

const open = () => openStore({ path, quotaBytes: 1e9, audience: AUDIENCE })
const failure = () => {
  try {
    open().close()
    return null
  } catch (error) {
    return asXcareError(error)
  }
}

function filled(): Promised {
  const promise: Promised = { object: smallObject(1), acked: new Set(), finished: false, deleted: false }
  const { store, close } = open()
  putSome(store, promise, [...promise.object.fragments[0]!.keys()], true)
  close()
  return promise
}

test('a folder in use is LOCKED, exit 11, and free again once its owner has gone', () => {
  const first = open()
  expect(failure()).toMatchObject({
    code: 'LOCKED',
    exitCode: 11,
    message: expect.stringContaining(`process ${process.pid}`),
  })
  first.close()
  expect(failure()).toBe(null)
})

test('the owner text of a dead process locks nobody out', () => {
  filled()
  writeFileSync(join(path, 'lock.owner'), JSON.stringify({ pid: process.pid, bootId: 'another start' }))
  expect(failure()).toBe(null)
})

describe('a disk that is not ours', () => {
  test('an unmounted disk is not served as an empty store', () => {
    const promise = filled()
    renameSync(join(path, 'volumes'), join(path, 'elsewhere'))
    expect(failure()).toMatchObject({ code: 'INTEGRITY', next: expect.stringContaining('mount') })
    expect(readdirSync(join(path, 'volumes'))).toEqual([])
    rmSync(join(path, 'volumes'), { recursive: true })
    renameSync(join(path, 'elsewhere'), join(path, 'volumes'))
    const { store, close } = open()
    expectKept(store, [promise])
    close()
  })

  test('swapped disks are refused', () => {
    filled()
    const other = mkdtempSync(join(tmpdir(), 'xcare-other-'))
    openStore({ path: other, quotaBytes: 1e9, audience: AUDIENCE }).close()
    rmSync(join(path, 'volumes'), { recursive: true })
    renameSync(join(other, 'volumes'), join(path, 'volumes'))
    expect(failure()).toMatchObject({ code: 'INTEGRITY' })
    rmSync(other, { recursive: true })
  })

  test('a first start that was cut short starts again', () => {
    mkdirSync(join(path, 'volumes'))
    writeFileSync(join(path, 'volumes', 'STORE'), 'short')
    const promise = filled()
    const { store, close } = open()
    expectKept(store, [promise])
    close()
  })
})

const mountPoint = join(tmpdir(), `xcare-tmpfs-${process.pid}`)
const canMount = process.getuid?.() === 0 && mountTmpfs()

function mountTmpfs(): boolean {
  mkdirSync(mountPoint)
  return spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', mountPoint]).status === 0
}

describe.skipIf(!canMount)('a real 16 MiB disk (needs root and mount)', () => {
  afterEach(() => {
    spawnSync('umount', [mountPoint])
    rmSync(mountPoint, { recursive: true })
  })

  test('fills up, refuses, keeps every receipt, and writes again when space returns, without a restart', async () => {
    const node = await ServedNode.start({ path: join(mountPoint, 'node'), quotaBytes: 14e6 })
    const [first, second, late] = [1, 2, 3].map((seed) =>
      makeObject({ seed, length: 1e6, shardBytesMax: 65_536 }),
    )
    for (const object of [first!, second!])
      expect(await node.connect().putColumn(object)).toMatchObject({ op: 'RECEIPT' })
    const client = node.connect()
    await client.send(openPutOf(late!))
    expect(await client.ask({ op: 'GET_HAVE' })).toMatchObject({ op: 'HAVE' })
    // Somebody else takes the rest of the disk while the put is under way.
    const ballast = join(mountPoint, 'ballast')
    expect(() => writeFileSync(ballast, new Uint8Array(20e6))).toThrow('ENOSPC')
    await client.send({ op: 'PUT', stripe: 0, first: 0, body: late!.fragments[0]![0]! })
    expect(await client.answer()).toMatchObject({ op: 'ERR', code: 'NO_SPACE' })
    expect(await node.connect().ask({ op: 'GET_STATUS' })).toMatchObject({ readOnly: true })
    const refused = node.connect()
    await refused.send(openPutOf(late!))
    expect(await refused.answer()).toMatchObject({ op: 'ERR', code: 'NO_SPACE' })
    for (const { objectId, manifest } of [first!, second!])
      expect(await node.connect().ask({ op: 'GET_MANIFEST', objectId })).toEqual({
        op: 'MANIFEST',
        body: manifest,
      })
    rmSync(ballast)
    await expect
      .poll(async () => (await node.connect().putColumn(late!))?.op, { timeout: 8000 })
      .toBe('RECEIPT')
    await node.stop()
  })
})
