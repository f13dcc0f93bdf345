import { beforeEach, describe, expect, test } from 'vitest'
import { entriesOf, makeBackup, openBackup, readBackup } from '../../src/identity/backup.ts'
import { vaultKeyOf } from '../../src/identity/keypair.ts'
import { createKeyring, type OpenKeyring } from '../../src/identity/keyring.ts'
import { openVault, type Vault } from '../../src/identity/vault.ts'
import { memoryFolder, testRandom } from '../guardian-node/ports.ts'
import { numbered } from './vault-child.ts'

const PASSPHRASE = 'seven plain words'
const random = testRandom('backup')
let folder: ReturnType<typeof memoryFolder>
let keyring: OpenKeyring
let vault: Vault
let backup: Uint8Array

beforeEach(async () => {
  folder = memoryFolder()
  const cost = { memoryKiB: 64, passes: 1 }
  keyring = await createKeyring(folder, { network: 'xcare-test', passphrase: PASSPHRASE, random, cost })
  vault = await openVault(folder, vaultKeyOf(keyring.root), random)
  for (let at = 0; at < 5; at++) await vault.add(numbered(at))
  await vault.remove(numbered(2).objectId)
  backup = await makeBackup(folder, keyring, vault, random, 1_800_000_000_000)
})

describe('a backup of a wallet', () => {
  test('says what it is, and opens with the passphrase of its time', async () => {
    const { did } = keyring
    expect(readBackup(backup)).toEqual({ network: 'xcare-test', did, madeMs: 1_800_000_000_000, entries: 4 })
    const opened = await openBackup(backup, PASSPHRASE, random)
    expect(opened.keyring).toEqual(keyring)
    expect(opened.entries).toEqual(vault.entries())
    await expect(openBackup(backup, 'other words', random)).rejects.toMatchObject({
      code: 'WRONG_PASSPHRASE',
    })
  })

  test('cut off anywhere or with a flipped bit is refused before anybody is asked for a passphrase', () => {
    for (let at = 0; at < backup.length; at += 11) {
      expect(() => readBackup(backup.slice(0, at)), `${at} bytes`).toThrow()
      const bad = backup.slice()
      bad[at]! ^= 1
      expect(() => readBackup(bad), `byte ${at}`).toThrow()
    }
  })

  test('with the list of another wallet is not taken for whole', async () => {
    await expect(entriesOf(backup, random.bytes(32), random)).rejects.toMatchObject({ code: 'INTEGRITY' })
  })
})
