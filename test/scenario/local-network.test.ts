import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TestNetwork } from './network.ts'

const net = new TestNetwork()
const MARKS = {
  plain: `MARK-PLAIN-${randomBytes(8).toString('hex')}`,
  name: `MARK-NAME-${randomBytes(4).toString('hex')}`,
}
const record = `${MARKS.plain}\n${'a line of a made-up record\n'.repeat(2000)}`
const recordFile = net.path(`${MARKS.name}.txt`)
let objectId = ''

/** Gets the record as `wallet` and tells how it ended; the content is compared when it came. */
async function get(wallet = 'owner') {
  const target = net.path(`got-${wallet}-${randomBytes(4).toString('hex')}`)
  const said = await net.run('get', objectId, '-o', target, '--as', wallet)
  if (said.exit === 0) expect(readFileSync(target, 'utf8')).toBe(record)
  else expect(existsSync(target)).toBe(false)
  return said
}

beforeAll(async () => {
  writeFileSync(recordFile, record)
  const said = await net.run('up', '--once', recordFile)
  expect(said.result, JSON.stringify(said.result)).toMatchObject({ ok: true, lostBytes: 0, killed: 6 })
  // The story is over and everything stopped; the same folder comes up again with all it had.
  const again = await net.run('up', '--once')
  expect(again.result).toMatchObject({ ok: true })
  objectId = String((said.result.objects as { objectId: string }[])[0]!.objectId)
  await startAll()
}, 300_000)

afterAll(() => net.end(), 60_000)

async function startAll(): Promise<void> {
  await net.restart('anchor')
  const parts = [...[1, 2, 3, 4].map((at) => `guardians/${at}`), ...nodes(1, 12)]
  await Promise.all(parts.map((part) => net.restart(part)))
}

const nodes = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, at) => `nodes/${String(from + at).padStart(2, '0')}`)

describe('a local network of real processes', () => {
  test('a record of the story outlives two restarts of everything', async () => {
    expect((await get()).exit).toBe(0)
  })

  test('with six nodes killed all is readable; with a seventh exit 17, one sentence, nothing half-written; restarted: readable', async () => {
    for (const part of nodes(1, 6)) net.kill(part)
    expect((await get()).exit).toBe(0)
    net.kill('nodes/07')
    const seventh = await get()
    expect(seventh.exit).toBe(17)
    expect(seventh.result).toMatchObject({ ok: false, code: 'TOO_FEW_FRAGMENTS', exitCode: 17 })
    expect(seventh.stderr).toBe('')
    await Promise.all(nodes(1, 7).map((part) => net.restart(part)))
    expect((await get()).exit).toBe(0)
  }, 120_000)

  test('nobody reads without a grant; a grant opens, a revocation closes', async () => {
    await net.run('wallet', 'create', '--as', 'doctor', '--passphrase-file', passphraseFile())
    const asDoctor = ['--as', 'doctor', '--passphrase-file', passphraseFile()]
    const got = () =>
      net.run('get', objectId, '-o', net.path(`d-${randomBytes(4).toString('hex')}`), ...asDoctor)
    expect((await got()).exit).toBe(18)
    const given = await net.run('grant', objectId, '--to', 'doctor', '--until', '1h')
    expect(given.result, JSON.stringify(given.result)).toMatchObject({ ok: true })
    expect((await got()).exit).toBe(0)
    net.kill('guardians/1')
    expect((await got()).exit, 'one guardian away').toBe(0)
    net.kill('guardians/2')
    const two = await got()
    expect(two.result, 'two guardians away').toMatchObject({
      ok: false,
      code: 'TOO_FEW_GUARDIANS',
      exitCode: 16,
    })
    const revoked = await net.run('revoke', String(given.result.grantId))
    expect(revoked.exit).toBe(0)
    await Promise.all(['guardians/1', 'guardians/2'].map((part) => net.restart(part)))
    // The two that were away when it was revoked must refuse as well.
    expect((await got()).result).toMatchObject({ ok: false, code: 'NO_GRANT', exitCode: 18 })
    const told = await net.run('notices')
    const texts = told.events.filter(({ type }) => type === 'notice').map(({ text }) => String(text))
    expect(texts.some((text) => text.includes('doctor') && text.includes(MARKS.name))).toBe(true)
  }, 180_000)

  test('a node that serves altered bytes is named and never believed', async () => {
    net.kill('nodes/01')
    const volumes = join(net.root, 'nodes/01/data')
    for (const path of filesBelow(volumes).filter((path) => /vol/.test(path) && statSync(path).size > 4096)) {
      const bytes = readFileSync(path)
      for (let at = 2048; at < bytes.length; at += 97) bytes[at]! ^= 0x40
      writeFileSync(path, bytes)
    }
    for (const path of filesBelow(volumes).filter((path) => /index|\.db/.test(path))) rmSync(path)
    await net.restart('nodes/01').catch(() => {})
    expect((await get()).exit).toBe(0)
  }, 60_000)

  test('rm destroys the shares: not even the owner reads it again', async () => {
    const file = net.path('short-lived.txt')
    writeFileSync(file, 'soon gone')
    const put = await net.run('put', file)
    const id = String((put.result.objects as { objectId: string }[])[0]!.objectId)
    const removed = await net.run('rm', id)
    expect(removed.result, JSON.stringify(removed.result)).toMatchObject({ ok: true, shredded: true })
    expect((await net.run('get', id, '-o', net.path('never'))).exit).toBe(2)
  }, 60_000)

  test('the wallet folder without its cache stays under 1 MiB, and losing the cache changes nothing', async () => {
    const wallet = join(net.root, 'wallets/owner')
    rmSync(join(wallet, 'cache'), { recursive: true, force: true })
    const kib = Number(execFileSync('du', ['-sk', wallet], { encoding: 'utf8' }).split('\t')[0])
    expect(kib).toBeLessThan(1024)
    expect((await get()).exit).toBe(0)
  }, 60_000)

  test('no plaintext, name, passphrase or key is found with any other party', () => {
    const secrets = [
      ...Object.values(MARKS).map((mark) => Buffer.from(mark)),
      readFileSync(join(net.root, 'wallets/owner/passphrase')).subarray(0, 32),
    ]
    const found = ['anchor', 'nodes', 'guardians']
      .flatMap((part) => filesBelow(join(net.root, part)))
      .filter((path) => secrets.some((secret) => readFileSync(path).includes(secret)))
    expect(found).toEqual([])
  })

  test('a wrong passphrase says so and exits 12', async () => {
    const wrong = net.path('wrong')
    writeFileSync(wrong, 'not the passphrase\n')
    const said = await net.run('ls', '--passphrase-file', wrong)
    expect(said.result).toMatchObject({ ok: false, code: 'WRONG_PASSPHRASE', exitCode: 12 })
  })
})

function passphraseFile(): string {
  const path = net.path('doctor-passphrase')
  if (!existsSync(path)) writeFileSync(path, 'a doctor never tells\n')
  return path
}

function filesBelow(path: string): string[] {
  mkdirSync(path, { recursive: true })
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}
