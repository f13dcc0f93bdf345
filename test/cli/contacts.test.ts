import { afterAll, beforeAll, expect, test } from 'vitest'
import { QuietNetwork } from './xcare.ts'

let network: QuietNetwork
let own: string[]
let did: string
beforeAll(async () => {
  network = new QuietNetwork()
  own = ['--passphrase-file', network.file('passphrase', 'seven plain words\n'), '--json']
  await network.run('wallet', 'create', ...own)
  did = String((await network.run('wallet', 'create', '--as', 'clinic', ...own)).result!.did)
})
afterAll(() => network.end())

test('a name of one’s own stands for an identity until it is forgotten', async () => {
  const contact = (...words: string[]) => network.run('contact', ...words, ...own)
  expect((await contact('list')).result).toMatchObject({ contacts: [] })
  expect(await contact('add', 'Änne', did)).toMatchObject({ exit: 0 })
  expect((await contact('list')).result).toMatchObject({ contacts: [{ name: 'Änne', did }] })
  expect(await contact('add', 'A\u0308nne', did)).toMatchObject({ exit: 0 })
  const other = String((await network.run('wallet', 'create', '--as', 'tom', ...own)).result!.did)
  expect(await contact('add', 'Änne', other)).toMatchObject({ exit: 2, result: { code: 'USAGE' } })
  expect(await contact('add', 'two words', did)).toMatchObject({ exit: 2 })
  expect(await contact('add', 'web', 'did:web:example.org')).toMatchObject({ exit: 2 })
  expect(await contact('rm', 'Änne')).toMatchObject({ exit: 0 })
  expect((await contact('list')).result).toMatchObject({ contacts: [] })
  expect(await contact('rm', 'Änne')).toMatchObject({ exit: 2, result: { code: 'NOT_FOUND' } })
})
