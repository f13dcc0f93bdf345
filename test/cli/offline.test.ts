import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { objectIdFromBytes } from '../../src/ids.ts'
import { QuietNetwork, showsStack } from './xcare.ts'

const OBJECT = objectIdFromBytes(new Uint8Array(32).fill(7))
const PATIENCE_MS = 20_000

async function withWallet(network: QuietNetwork): Promise<string> {
  const file = network.file('passphrase', 'seven plain words\n')
  expect(await network.run('wallet', 'create', '--passphrase-file', file)).toMatchObject({ exit: 0 })
  return file
}

describe('a chain that is not there', () => {
  let network: QuietNetwork
  let passphrase: string
  beforeAll(async () => {
    network = new QuietNetwork()
    network.file('letter.txt', 'a letter')
    passphrase = await withWallet(network)
  })
  afterAll(() => network.end())

  test.concurrent.each([
    ['put', ['put', 'letter.txt']],
    ['get', ['get', OBJECT]],
    ['notices', ['notices']],
    ['chain', ['chain', 'status']],
  ])('%s ends with 16 and a next step, soon', async (_, typed) => {
    const start = performance.now()
    const said = await network.run(...typed, '--passphrase-file', passphrase, '--json')
    expect(performance.now() - start).toBeLessThan(PATIENCE_MS)
    expect(said).toMatchObject({ exit: 16, result: { ok: false, code: 'OFFLINE', retryable: true } })
    expect(said.result!.next).toBeTruthy()
    expect(showsStack(said.stdout + said.stderr)).toBe(false)
  })

  test('own records are listed all the same', async () => {
    expect(await network.run('ls', '--passphrase-file', passphrase)).toMatchObject({ exit: 0 })
  })

  test('status tells what is down instead of failing', async () => {
    const said = await network.run('status', '--json')
    expect(said).toMatchObject({ exit: 0, result: { ok: true, anchor: false } })
    expect((await network.run('status')).stdout).toContain('does not answer for it')
  })

  test('down has nothing to stop', async () => {
    expect(await network.run('down', '--json')).toMatchObject({ exit: 0, result: { ok: true, stopped: 0 } })
  })
})

describe('a chain that accepts and never answers', () => {
  let server: Server
  let network: QuietNetwork
  beforeAll(async () => {
    server = createServer(() => {})
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    network = new QuietNetwork(`http://127.0.0.1:${port}`)
  })
  afterAll(() => {
    server.close()
    network.end()
  })

  test('put gives up in time', async () => {
    const passphrase = await withWallet(network)
    const file = network.file('letter.txt', 'a letter')
    const start = performance.now()
    const said = await network.run('put', file, '--passphrase-file', passphrase, '--json')
    expect(performance.now() - start).toBeLessThan(PATIENCE_MS)
    expect([16, 75]).toContain(said.exit)
    expect(said.result).toMatchObject({ ok: false, retryable: true })
  })
})

test('what answers but is no chain is not believed', async () => {
  const { createServer } = await import('node:http')
  const server = createServer((_, response) => response.end('<html>welcome</html>'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const network = new QuietNetwork(`http://127.0.0.1:${(server.address() as { port: number }).port}`)
  try {
    const passphrase = await withWallet(network)
    const said = await network.run('chain', 'status', '--passphrase-file', passphrase, '--json')
    expect(said.exit).not.toBe(0)
    expect(said.exit).not.toBe(1)
    expect(showsStack(said.stdout + said.stderr)).toBe(false)
    expect(join(network.root)).not.toBe('')
  } finally {
    server.close()
    network.end()
  }
})
