import { beforeEach, describe, expect, test } from 'vitest'
import { toHex } from '../../src/bytes.ts'
import { addWrapper, createKeyring, openKeyring, readKeyring } from '../../src/identity/keyring.ts'
import { memoryFolder, testRandom } from '../guardian-node/ports.ts'

const cost = { memoryKiB: 64, passes: 1 }
const network = 'xcare-test'
let folder: ReturnType<typeof memoryFolder>

beforeEach(async () => {
  folder = memoryFolder()
  await createKeyring(folder, {
    network,
    passphrase: 'a long walk home',
    random: testRandom('keyring'),
    cost,
  })
})

describe('a wallet file', () => {
  test('opens with its passphrase and gives the same root', async () => {
    const opened = await openKeyring(folder, 'a long walk home')
    expect(opened.root).toEqual(testRandom('keyring').bytes(32))
    expect((await readKeyring(folder))?.did).toBe(opened.did)
  })

  test('a wrong passphrase is told from a damaged file, exit 12 and 19', async () => {
    await expect(openKeyring(folder, 'a long walk home ')).rejects.toMatchObject({
      code: 'WRONG_PASSPHRASE',
      exitCode: 12,
    })
    await expect(openKeyring(folder, '')).rejects.toMatchObject({ code: 'WRONG_PASSPHRASE' })
  })

  test('every flipped byte is damage, never a wrong passphrase, and never opens', async () => {
    const good = folder.files.get('keyring')!
    for (let at = 0; at < good.length; at++) {
      const bad = good.slice()
      bad[at]! ^= 1
      folder.files.set('keyring', bad)
      await expect(openKeyring(folder, 'a long walk home')).rejects.toMatchObject({
        code: 'INTEGRITY',
        exitCode: 19,
      })
    }
    for (const length of [0, 1, good.length - 1]) {
      folder.files.set('keyring', good.slice(0, length))
      await expect(openKeyring(folder, 'a long walk home')).rejects.toMatchObject({ code: 'INTEGRITY' })
    }
  })

  test('an absent wallet is absent, and an existing one is not overwritten', async () => {
    expect(await readKeyring(memoryFolder())).toBeNull()
    await expect(openKeyring(memoryFolder(), 'x')).rejects.toMatchObject({ code: 'NOT_INITIALISED' })
    const again = createKeyring(folder, { network, passphrase: 'other', random: testRandom('2'), cost })
    await expect(again).rejects.toMatchObject({ code: 'REFUSED' })
    await openKeyring(folder, 'a long walk home')
  })

  test('a recovery secret opens alone; replacing the passphrase leaves it be', async () => {
    const opened = await openKeyring(folder, 'a long walk home')
    await addWrapper(folder, opened, 'recovery', 'twenty four words', testRandom('3'), cost)
    await addWrapper(folder, opened, 'passphrase', 'new passphrase', testRandom('4'), cost)
    expect((await openKeyring(folder, 'twenty four words', 'recovery')).root).toEqual(opened.root)
    expect((await openKeyring(folder, 'new passphrase')).root).toEqual(opened.root)
    await expect(openKeyring(folder, 'a long walk home')).rejects.toMatchObject({ code: 'WRONG_PASSPHRASE' })
    await expect(openKeyring(folder, 'new passphrase', 'recovery')).rejects.toMatchObject({
      code: 'WRONG_PASSPHRASE',
    })
  })

  test('the same identity comes back from its root', async () => {
    const { root, did } = await openKeyring(folder, 'a long walk home')
    const other = memoryFolder()
    const restored = await createKeyring(other, {
      network,
      passphrase: 'p',
      random: testRandom('5'),
      root,
      cost,
    })
    expect(restored.did).toBe(did)
  })

  test('the root is nowhere in the file', async () => {
    const { root } = await openKeyring(folder, 'a long walk home')
    expect(toHex(folder.files.get('keyring')!)).not.toContain(toHex(root).slice(0, 16))
  })
})
