import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { LOCAL_SIZE, layOutAnchor, layOutPart, partsOf } from '../../src/sdk/network/local-network.ts'
import { networkFolder, writeNetworkFile } from '../../src/sdk/network/network-folder.ts'
import { findParts } from '../../src/sdk/network/parts.ts'
import { isRenewed, resetNode, setLostVolumesAside } from '../../src/sdk/network/renew.ts'
import { startNetwork } from '../../src/sdk/network/start-network.ts'
import { institutionIdOf } from '../../src/sdk/roles/init-node.ts'
import { keepNetworkOfPart, networkOfPart } from '../../src/sdk/roles/network-of.ts'
import { keepSeed, readRoleFile } from '../../src/sdk/roles/role-folder.ts'
import { codeOf, scratchFolder } from './scratch.ts'

const scratch = scratchFolder()
const networkNamed = (network: string) => ({
  ...{ network, rpc: ['http://127.0.0.1:1'], trust: { height: 1, hash: '00'.repeat(32) }, bootstrap: [] },
})

/** A network that was made and of which nothing runs. */
async function quiet(name: string) {
  const folder = networkFolder(join(scratch, name))
  await layOutAnchor(folder)
  for (const plan of partsOf(LOCAL_SIZE)) await layOutPart(folder, plan, LOCAL_SIZE.quotaBytes)
  await writeNetworkFile(folder.root, networkNamed(name))
  return folder
}

describe('the id of an institution', () => {
  test('says its name where it can, and tells names of any script apart', () => {
    expect(institutionIdOf('Harbour Medical Centre')).toBe('harbour-medical-centre')
    const names = [
      'Клиника',
      'Больница',
      '病院',
      '診療所',
      'Müller',
      'Muller',
      'Mu ller',
      'mü-ller',
      'St. Mary',
      'St Mary',
    ]
    const ids = names.map(institutionIdOf)
    expect(new Set(ids).size).toBe(names.length)
    for (const id of ids) expect(id).toMatch(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/)
  })

  test('of long names that begin alike differ, and fit the chain', () => {
    const long = 'A very long name of an institution that goes on and on until it '
    const [one, other] = [institutionIdOf(`${long}ends`), institutionIdOf(`${long}stops`)]
    expect(one).not.toBe(other)
    expect(one.length).toBeLessThanOrEqual(64)
  })

  test('is one for both ways to write one letter; a name without any is refused', async () => {
    expect(institutionIdOf('Mu\u0308ller')).toBe(institutionIdOf('M\u00fcller'))
    for (const name of ['', ' ', '!!!', '\u200b', '-'])
      expect(await codeOf(async () => institutionIdOf(name)), name).toBe('USAGE')
  })
})

describe('what lies in the folder of a network', () => {
  test('parts are found beside what others left there', async () => {
    const { root } = await quiet('strangers')
    writeFileSync(join(root, 'nodes', '.DS_Store'), '')
    writeFileSync(join(root, 'nodes', 'notes.txt'), '')
    mkdirSync(join(root, 'guardians', 'lost+found'))
    const { roles, gone, copies, strangers } = await findParts(networkFolder(root))
    expect(roles).toHaveLength(17)
    expect([gone, copies]).toEqual([[], []])
    expect(strangers).toHaveLength(3)
  })

  test('a part whose folder is gone is missed; a copy of one is no part of its own', async () => {
    const folder = await quiet('gone')
    rmSync(folder.node(12), { recursive: true })
    rmSync(folder.guardian(1), { recursive: true })
    await keepSeed(folder.node(3), 'node.seed')
    cpSync(folder.node(3), join(folder.root, 'nodes', '03-backup'), { recursive: true })
    const { roles, gone, copies } = await findParts(folder)
    expect(gone.map(({ folder: path }) => path)).toEqual([folder.guardian(1), folder.node(12)])
    expect(copies).toEqual([{ kind: 'node', folder: join(folder.root, 'nodes', '03-backup') }])
    expect(roles).toHaveLength(15)
  })

  test('no place is written down: everything inside goes with the folder', async () => {
    const { root } = await quiet('moves')
    const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    )
    for (const file of files)
      expect(readFileSync(join(file.parentPath, file.name), 'latin1')).not.toContain(scratch)
    const moved = join(scratch, 'moved here')
    renameSync(root, moved)
    const { networkDir } = await readRoleFile(join(moved, 'nodes', '01'), 'node')
    expect((await networkOfPart(join(moved, 'nodes', '01'), networkDir)).network).toBe('moves')
  })

  test('a folder that only knows a network is given no chain: the one it knows would be lost', async () => {
    const root = join(scratch, 'knows-only')
    mkdirSync(root)
    await writeNetworkFile(root, networkNamed('of-elsewhere'))
    const before = readFileSync(join(root, 'network.json'), 'utf8')
    expect(await codeOf(() => startNetwork(networkFolder(root), LOCAL_SIZE, () => {}))).toBe('REFUSED')
    expect(readdirSync(root)).toEqual(['network.json'])
    expect(readFileSync(join(root, 'network.json'), 'utf8')).toBe(before)
  })
})

describe('the network of a part', () => {
  test('is the one around it, also for a copy that still names the original', async () => {
    const original = await quiet('original')
    const copy = networkFolder(join(scratch, 'copy'))
    cpSync(original.root, copy.root, { recursive: true })
    await writeNetworkFile(copy.root, networkNamed('the-copy'))
    expect((await networkOfPart(copy.node(1), original.root)).network).toBe('the-copy')
  })

  test('outside of one is followed, and remembered when it is away or became another', async () => {
    const [dir, root] = [join(scratch, 'contributed'), join(scratch, 'followed')]
    mkdirSync(dir)
    mkdirSync(root)
    expect(await codeOf(() => networkOfPart(dir, '../followed'))).toBe('NOT_INITIALISED')
    await writeNetworkFile(root, networkNamed('first'))
    await keepNetworkOfPart(dir, networkNamed('first'))
    await writeNetworkFile(root, { ...networkNamed('first'), rpc: ['http://127.0.0.1:2'] })
    expect((await networkOfPart(dir, '../followed')).rpc).toEqual(['http://127.0.0.1:2'])
    for (const become of [
      () => writeNetworkFile(root, networkNamed('second')),
      async () => writeFileSync(join(root, 'network.json'), '{'),
      async () => rmSync(root, { recursive: true }),
    ]) {
      await become()
      expect(await networkOfPart(dir, '../followed')).toMatchObject({
        network: 'first',
        rpc: ['http://127.0.0.1:2'],
      })
    }
    expect(await codeOf(() => keepNetworkOfPart(dir, networkNamed('third')))).toBe('REFUSED')
  })
})

describe('a storage node that lost its disk', () => {
  async function nodeWithDisk(name: string) {
    const folder = await quiet(name)
    const dir = folder.node(5)
    for (const key of ['node.seed', 'operator']) await keepSeed(dir, key)
    mkdirSync(join(dir, 'data', 'volumes'), { recursive: true })
    writeFileSync(join(dir, 'data', 'store.json'), '{}')
    return { folder, dir, role: { kind: 'node' as const, folder: dir } }
  }

  test('starts empty, what is left is set aside, and it is said', async () => {
    const { dir, role } = await nodeWithDisk('lost-volumes')
    rmSync(join(dir, 'data', 'volumes'), { recursive: true })
    const [note, ...others] = await setLostVolumesAside([role])
    expect(others).toEqual([])
    expect(note).toMatchObject({ name: 'node 05', next: expect.stringContaining('repair') })
    expect(existsSync(join(dir, 'data'))).toBe(false)
    expect(readdirSync(dir).filter((name) => name.startsWith('data.lost-'))).toHaveLength(1)
    expect(existsSync(join(dir, 'keys', 'node.seed'))).toBe(true)
  })

  test('is left alone where its disk may only not be mounted', async () => {
    const { dir, role } = await nodeWithDisk('unmounted')
    expect(await setLostVolumesAside([role])).toEqual([])
    expect(existsSync(join(dir, 'data', 'store.json'))).toBe(true)
  })

  test('is begun anew by its owner: the same node, or another where its keys are gone; nothing is deleted', async () => {
    const { folder, dir } = await nodeWithDisk('reset')
    const seed = readFileSync(join(dir, 'keys', 'node.seed'))
    const same = await resetNode(dir)
    expect(same).toMatchObject({ isOther: false })
    expect(readFileSync(join(dir, 'keys', 'node.seed'))).toEqual(seed)
    expect(isRenewed(dir)).toBe(false)
    const operator = readFileSync(join(dir, 'keys', 'operator'))
    rmSync(join(dir, 'keys', 'node.seed'))
    const other = await resetNode(dir)
    expect(other).toMatchObject({ isOther: true, aside: expect.stringContaining(join(folder.root, 'lost')) })
    expect(isRenewed(dir)).toBe(true)
    expect(readFileSync(join(dir, 'keys', 'operator'))).not.toEqual(operator)
    expect(readFileSync(join(other.aside!, 'keys', 'operator'))).toEqual(operator)
    expect(await codeOf(() => resetNode(join(scratch, 'nobody')))).toBe('NOT_INITIALISED')
  })
})
