import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { toHex, u32be, utf8 } from '../../src/bytes.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import { openVault, type Vault } from '../../src/identity/vault.ts'
import { openFolder } from '../../src/sdk/folder.ts'
import { numbered, VAULT_KEY } from './vault-child.ts'

const scratch = mkdtempSync(join(tmpdir(), 'xcare-vault-'))
const CHILD = fileURLToPath(new URL('vault-child.ts', import.meta.url))
let path: string
beforeEach(() => {
  path = mkdtempSync(join(scratch, 'wallet-'))
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const open = async (): Promise<Vault> => openVault(await openFolder(path), VAULT_KEY, systemRandom)
const names = (vault: Vault) => vault.list().map(({ name }) => name)

function child(...args: string[]): ChildProcess {
  return spawn(process.execPath, [CHILD, path, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
}

describe('a vault on disk', () => {
  test('takes what four processes add at the same time, and each sees what the others added', async () => {
    const writers = Array.from({ length: 4 }, (_, at) => child(String(at * 1000), '60'))
    const follower = await open()
    const ends = await Promise.all(writers.map((writer) => once(writer, 'exit')))
    expect(ends.map(([code]) => code)).toEqual([0, 0, 0, 0])
    await follower.refresh()
    expect(names(follower)).toHaveLength(240)
    const reopened = await open()
    expect(new Set(names(reopened)).size).toBe(240)
    expect(reopened.loss()).toBeNull()
  })

  test('keeps everything a writer was told is kept, wherever the writer is killed', async () => {
    const kept: string[] = []
    for (let round = 0; round < 4; round++) {
      const writer = child(String(round * 100_000), '100000')
      let left = 7 + 5 * round
      for await (const line of createInterface({ input: writer.stdout! })) {
        kept.push(line)
        if (--left === 0) writer.kill('SIGKILL')
      }
      const vault = await open()
      expect(new Set(names(vault))).toEqual(new Set([...names(vault), ...kept]))
      expect(vault.loss()).toBeNull()
      await vault.setMarker('round', u32be(round))
      await vault.close()
    }
  })

  test('written anew by one, it is followed by the others', async () => {
    const [one, two] = [await open(), await open()]
    await one.add(numbered(1))
    for (let at = 0; at < 200; at++) await one.setMarker('receipts/x', utf8(String(at)))
    await two.add(numbered(2))
    expect(names(two)).toEqual(['record 1', 'record 2'])
    expect(two.marker('receipts/x')).toEqual(utf8('199'))
    await one.refresh()
    expect(names(one)).toEqual(['record 1', 'record 2'])
    expect((await open()).loss()).toBeNull()
  })

  test('read while another writes it anew again and again, it never seems damaged', async () => {
    const vault = await open()
    for (let at = 0; at < 20; at++) await vault.add(numbered(at))
    const writer = child('0', '400', 'anew')
    const ended = once(writer, 'exit').then(() => true)
    for (let done = false; !done; done = await Promise.race([ended, Promise.resolve(false)])) {
      const reader = await open()
      expect(reader.loss()).toBeNull()
      expect(names(reader)).toHaveLength(20)
    }
  })

  test('stays readable while another process holds its turn', async () => {
    const vault = await open()
    await vault.add(numbered(1))
    const folder = await openFolder(path)
    await folder.exclusive!(async () => {
      expect(names(await open())).toEqual(['record 1'])
    })
  })

  test('opens with 3,000 entries in pieces, whatever lies between them', async () => {
    const vault = await open()
    await Promise.all(Array.from({ length: 3000 }, (_, at) => vault.add(numbered(at))))
    const folder = await openFolder(path)
    await folder.append('vault.log', utf8('xcv2'.repeat(500)))
    const letter = new Uint8Array(100_000).fill(0x78)
    await vault.addReceived({ grantId: new Uint8Array(16), letter, arrivedMs: 1 })
    await folder.append('vault.log', new Uint8Array(3_000_000).fill(0x78))
    await vault.add(numbered(3000))
    const again = await open()
    expect(again.list()).toHaveLength(3001)
    expect(again.received()).toHaveLength(1)
    expect(again.loss()).toBeNull()
  })

  test('lets no other user read any of its files', async () => {
    const vault = await open()
    await vault.add(numbered(1))
    await vault.close()
    for (const name of readdirSync(path)) expect(statSync(join(path, name)).mode & 0o777, name).toBe(0o600)
    expect(readdirSync(path)).toEqual(['turn.lock', 'vault.head', 'vault.log'])
    expect(toHex(readFileSync(join(path, 'vault.log')))).not.toContain(toHex(utf8('record 1')))
  })
})
