import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { QuietNetwork, showsStack } from './xcare.ts'

const PASSPHRASE = 'seven plain words that nobody would guess'

let network: QuietNetwork
let right: string
let wrong: string
const wallet = (...path: string[]) => join(network.root, 'wallets', 'owner', ...path)

beforeAll(async () => {
  network = new QuietNetwork()
  right = network.file('right', `${PASSPHRASE}\n`)
  wrong = network.file('wrong', 'seven other words\n')
  const made = await network.run('wallet', 'create', '--passphrase-file', right, '--json')
  expect(made).toMatchObject({ exit: 0, result: { type: 'result', ok: true, wallet: 'owner' } })
  expect(made.result!.did).toMatch(/^did:xcare:xcare-test:/)
})
afterAll(() => network.end())

describe('a wallet on the command line', () => {
  test('opens with its passphrase and lists no records', async () => {
    const said = await network.run('ls', '--passphrase-file', right, '--json')
    expect(said).toMatchObject({ exit: 0, result: { ok: true, records: [] } })
  })

  test('is listed without being opened', async () => {
    const said = await network.run('wallet', 'list', '--json')
    expect(said.result).toMatchObject({ ok: true, wallets: [{ name: 'owner' }] })
  })

  test('is not opened by another passphrase: 12, and nothing is changed', async () => {
    const before = readFileSync(wallet('keyring'))
    const said = await network.run('ls', '--passphrase-file', wrong, '--json')
    expect(said).toMatchObject({
      exit: 12,
      result: { ok: false, code: 'WRONG_PASSPHRASE', retryable: false },
    })
    expect(showsStack(said.stdout + said.stderr)).toBe(false)
    expect(readFileSync(wallet('keyring'))).toEqual(before)
  })

  test('is not made over another one', async () => {
    const before = readFileSync(wallet('keyring'))
    const said = await network.run('wallet', 'create', '--passphrase-file', wrong, '--json')
    expect(said).toMatchObject({ exit: 19, result: { code: 'REFUSED' } })
    expect(readFileSync(wallet('keyring'))).toEqual(before)
  })

  test('keeps everything readable by its owner alone, and its passphrase nowhere', async () => {
    for (const name of readdirSync(wallet())) {
      expect(statSync(wallet(name)).mode & 0o077, name).toBe(0)
      if (statSync(wallet(name)).isFile())
        expect(readFileSync(wallet(name), 'latin1')).not.toContain(PASSPHRASE)
    }
    expect(statSync(wallet()).mode & 0o077).toBe(0)
  })

  test('asks for a passphrase only on a terminal: elsewhere 2, and the option is named', async () => {
    const said = await network.run('ls', '--json')
    expect(said).toMatchObject({ exit: 2, result: { code: 'USAGE' } })
    expect(said.result!.next).toContain('--passphrase-file')
  })

  test('a passphrase file that is not there ends with 2', async () => {
    const said = await network.run('ls', '--passphrase-file', join(network.dir, 'absent'), '--json')
    expect(said).toMatchObject({ exit: 2, result: { code: 'FILE_UNREADABLE' } })
  })

  test('a passphrase file that is a folder ends with 2', async () => {
    const said = await network.run('ls', '--passphrase-file', network.dir, '--json')
    expect(said).toMatchObject({ exit: 2, result: { code: 'FILE_UNREADABLE' } })
  })

  test('a short or empty passphrase makes no wallet', async () => {
    for (const [name, content] of Object.entries({ empty: '\n', short: 'seven\n' })) {
      const file = network.file(name, content)
      const said = await network.run('wallet', 'create', '--as', name, '--passphrase-file', file, '--json')
      expect(said, name).toMatchObject({ exit: 2, result: { code: 'USAGE' } })
      expect(existsSync(join(network.root, 'wallets', name, 'keyring')), name).toBe(false)
    }
  })

  test('a wallet that is not there ends with 10 and leaves no folder behind', async () => {
    const said = await network.run('ls', '--as', 'nobody', '--passphrase-file', right, '--json')
    expect(said).toMatchObject({ exit: 10, result: { code: 'NOT_INITIALISED' } })
    expect(said.result!.next).toContain('wallet create')
    expect(existsSync(join(network.root, 'wallets', 'nobody'))).toBe(false)
  })

  test('nobody is asked for the passphrase of a wallet that is not there', async () => {
    const said = await network.run('ls', '--as', 'nobody', '--json')
    expect(said).toMatchObject({ exit: 10, result: { code: 'NOT_INITIALISED' } })
  })

  test('a list that is gone is told, never passed off as empty: 3', async () => {
    const whole = readFileSync(wallet('vault.log'))
    try {
      rmSync(wallet('vault.log'))
      const said = await network.run('ls', '--passphrase-file', right, '--json')
      expect(said).toMatchObject({ exit: 3, result: { ok: false, code: 'PARTIAL' } })
      expect(said.result!.message).toContain('cannot be read any more')
      expect(said.result!.next).toContain('wallet restore')
    } finally {
      writeFileSync(wallet('vault.log'), whole)
    }
  })

  test('a wallet of another network is refused', async () => {
    const other = new QuietNetwork()
    try {
      const file = JSON.parse(readFileSync(join(network.root, 'network.json'), 'utf8'))
      other.file('network/network.json', JSON.stringify({ ...file, network: 'xcare-other' }))
      await other.run('wallet', 'create', '--passphrase-file', right)
      other.file('network/network.json', JSON.stringify(file))
      const said = await other.run('ls', '--passphrase-file', right, '--json')
      expect(said).toMatchObject({ exit: 19, result: { code: 'REFUSED' } })
      expect(said.result!.message).toContain('xcare-other')
    } finally {
      other.end()
    }
  })

  test.each([
    ['cut', (whole: Buffer) => whole.subarray(0, 40)],
    ['changed', (whole: Buffer) => Buffer.from(whole).fill(whole[60]! ^ 1, 60, 61)],
    ['empty', () => Buffer.alloc(0)],
  ])('a keyring that was %s is damaged, not locked: 19', async (_, damage) => {
    const whole = readFileSync(wallet('keyring'))
    try {
      writeFileSync(wallet('keyring'), damage(whole))
      const said = await network.run('ls', '--passphrase-file', right, '--json')
      expect(said).toMatchObject({ exit: 19, result: { ok: false } })
      expect(showsStack(said.stdout + said.stderr)).toBe(false)
    } finally {
      writeFileSync(wallet('keyring'), whole)
    }
  })

  test('is backed up to a new file, and comes back from it under another name and passphrase', async () => {
    const file = join(network.dir, 'copy.backup')
    const made = await network.run('wallet', 'backup', file, '--passphrase-file', right, '--json')
    expect(made).toMatchObject({ exit: 0, result: { ok: true, file } })
    expect(statSync(file).mode & 0o077).toBe(0)
    const again = await network.run('wallet', 'backup', file, '--passphrase-file', right, '--json')
    expect(again).toMatchObject({ exit: 2, result: { ok: false } })
    const restored = await network.run(
      'wallet',
      'restore',
      file,
      '--as',
      'back',
      '--passphrase-file',
      right,
      '--json',
    )
    expect(restored).toMatchObject({ exit: 0, result: { did: made.result!.did } })
    const listed = await network.run('ls', '--as', 'back', '--passphrase-file', right, '--json')
    expect(listed).toMatchObject({ exit: 0, result: { records: [] } })
  })

  test('is not restored over another, nor with another passphrase; a folder that is not there stays so', async () => {
    const file = join(network.dir, 'copy.backup')
    const over = await network.run('wallet', 'restore', file, '--passphrase-file', right, '--json')
    expect(over).toMatchObject({ exit: 19, result: { code: 'REFUSED' } })
    const locked = await network.run(
      'wallet',
      'restore',
      file,
      '--as',
      'new',
      '--passphrase-file',
      wrong,
      '--json',
    )
    expect(locked).toMatchObject({ exit: 12, result: { code: 'WRONG_PASSPHRASE' } })
    expect(existsSync(wallet('..', 'new'))).toBe(false)
    const absent = await network.run(
      'wallet',
      'restore',
      join(network.dir, 'absent'),
      '--as',
      'new',
      '--json',
    )
    expect(absent).toMatchObject({ exit: 2, result: { code: 'FILE_UNREADABLE' } })
  })

  test('that lost its list or its keyring gets both back with --merge', async () => {
    const file = join(network.dir, 'copy.backup')
    const keyring = readFileSync(wallet('keyring'))
    rmSync(wallet('vault.log'))
    writeFileSync(wallet('keyring'), keyring.subarray(0, 40))
    const merged = await network.run(
      'wallet',
      'restore',
      file,
      '--merge',
      '--passphrase-file',
      right,
      '--json',
    )
    expect(merged).toMatchObject({ exit: 0 })
    expect(readFileSync(wallet('keyring'))).toEqual(keyring)
    expect(await network.run('ls', '--passphrase-file', right, '--json')).toMatchObject({ exit: 0 })
  })

  test('gets another passphrase, and the old one opens it no more', async () => {
    const fresh = network.file('fresh', '\ufeffanother seven words\r\n')
    const plain = network.file('plain', 'another seven words')
    const args = ['--new-passphrase-file', fresh, '--passphrase-file', right, '--json']
    expect(await network.run('wallet', 'passphrase', ...args)).toMatchObject({ exit: 0 })
    expect(await network.run('ls', '--passphrase-file', right, '--json')).toMatchObject({ exit: 12 })
    expect(await network.run('ls', '--passphrase-file', plain, '--json')).toMatchObject({ exit: 0 })
    expect(await network.run('ls', '--passphrase-file', fresh, '--json')).toMatchObject({ exit: 0 })
  })
})
