import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { fromHex, toHex, utf8 } from '../../src/bytes.ts'
import { openVault } from '../../src/identity/vault.ts'
import type { VaultObject } from '../../src/identity/vault-entry.ts'
import { memoryFolder, testRandom } from '../guardian-node/ports.ts'

const key = new Uint8Array(32).fill(9)
let folder: ReturnType<typeof memoryFolder>
const open = () => openVault(folder, key, testRandom(`vault ${folder.files.get('vault.log')?.length}`))
const fill = (byte: number, length = 32) => new Uint8Array(length).fill(byte)
const object = (byte: number, name = `Record ${byte}`): VaultObject => ({
  ...{
    objectId: fill(byte),
    version: 1,
    custodyKey: fill(255 - byte),
    name,
    mediaType: 'application/fhir+json',
  },
  ...{ bytes: 123_456_789, createdMs: 1_800_000_000_000, kind: 'record' },
})

/** Bytes of the first frame: its length stands at byte 16. */
const originBytes = (log: Uint8Array) => 24 + new DataView(log.buffer, log.byteOffset).getUint32(16)

beforeEach(() => {
  folder = memoryFolder()
})

const vector = JSON.parse(readFileSync(new URL('../vectors/vault.json', import.meta.url), 'utf8')) as {
  key: string
  v1: string
  v2: string
}

describe('a vault of version 1', () => {
  const old = fromHex(vector.v1)
  const oldEntries = ['object', 'issued', 'received', 'notice', 'marker']

  test('is read as it is, and written anew in the newest version', async () => {
    folder.files.set('vault.log', old)
    const vault = await open()
    expect(vault.entries().map(({ type }) => type)).toEqual(oldEntries)
    expect(vault.loss()).toBeNull()
    expect(folder.files.get('vault.log')).toEqual(old)
    await vault.add(object(7))
    const again = await open()
    expect(again.entries()).toEqual(vault.entries())
    expect(again.list()).toHaveLength(2)
    expect(again.loss()).toBeNull()
    expect([...folder.files.keys()].sort()).toEqual(['vault.head', 'vault.log'])
  })

  test('with a flipped bit anywhere behind its head, it misses one entry', async () => {
    for (let at = 24; at < old.length; at += 5) {
      const bad = old.slice()
      bad[at]! ^= 1
      folder.files.set('vault.log', bad)
      expect((await open()).loss(), `byte ${at}`).toEqual({ entries: 1, unknown: false })
    }
  })

  test('cut off anywhere, keeps what was whole', async () => {
    for (let length = 24; length < old.length; length += 7) {
      folder.files.set('vault.log', old.slice(0, length))
      expect((await open()).loss(), `${length} bytes`).toBeNull()
    }
  })
})

describe('a vault', () => {
  test('of version 2 is what its vector says', async () => {
    folder.files.set('vault.log', fromHex(vector.v2))
    expect(toHex(key)).toBe(vector.key)
    const vault = await open()
    const types = ['object', 'removing', 'issued', 'received', 'notice', 'marker']
    expect(vault.entries().map(({ type }) => type)).toEqual(types)
    expect(vault.list()).toEqual([{ ...object(1), type: 'object' }])
    expect(vault.removals()).toMatchObject([{ guardiansLeft: ['12D3KooW'], nodesLeft: 2, shredded: true }])
    expect(vault.notices()).toMatchObject([{ by: [0, 2], of: 4, needed: 3, ours: true }])
    expect(vault.loss()).toEqual({ entries: 3, unknown: false })
  })

  test('gives back what was added, after reopening, in order', async () => {
    const vault = await open()
    await vault.add(object(1))
    await vault.add(object(2))
    await vault.add({ ...object(1), version: 2 })
    await vault.remove(fill(2))
    await vault.setMarker('mail/x', utf8('7'))
    const again = await open()
    expect(again.list()).toEqual([{ ...object(1), version: 2, type: 'object' }])
    expect(again.get(fill(2))).toBeNull()
    expect(again.marker('mail/x')).toEqual(utf8('7'))
  })

  test('keeps 500 records in under 200 KiB', async () => {
    const vault = await open()
    for (let at = 0; at < 500; at++) {
      const objectId = fill(0)
      new DataView(objectId.buffer).setUint32(0, at)
      await vault.add({ ...object(1), objectId, name: 'Discharge letter of the cardiology department.pdf' })
    }
    const bytes = folder.files.get('vault.log')!.length
    expect(bytes / 500).toBeLessThan(350)
    expect((await open()).list()).toHaveLength(500)
  })

  test('a hundred additions at once all arrive', async () => {
    const vault = await open()
    await Promise.all(Array.from({ length: 100 }, (_, at) => vault.add(object(at))))
    expect((await open()).list()).toHaveLength(100)
  })

  test('cut off anywhere, it keeps every entry that was whole, and goes on from there', async () => {
    const vault = await open()
    const ends: number[] = []
    for (let at = 1; at <= 3; at++) {
      await vault.add(object(at))
      ends.push(folder.files.get('vault.log')!.length)
    }
    const whole = folder.files.get('vault.log')!
    for (let length = 0; length < whole.length; length++) {
      folder.files.set('vault.log', whole.slice(0, length))
      const torn = await open()
      expect(torn.list()).toHaveLength(ends.filter((end) => end <= length).length)
    }
    folder.files.set('vault.log', whole.slice(0, ends[1]! + 20))
    await (await open()).add(object(9))
    expect((await open()).list().map(({ name }) => name)).toEqual(['Record 1', 'Record 2', 'Record 9'])
  })

  test('a tail of zeros is a torn tail', async () => {
    await (await open()).add(object(1))
    const whole = folder.files.get('vault.log')!
    folder.files.set('vault.log', new Uint8Array([...whole, ...new Uint8Array(300)]))
    expect((await open()).list()).toHaveLength(1)
  })

  test('a flipped bit costs one entry, which is missed by name, and everything else stays readable', async () => {
    const vault = await open()
    for (let at = 1; at <= 3; at++) await vault.add(object(at))
    await vault.close()
    const whole = folder.files.get('vault.log')!
    const head = folder.files.get('vault.head')!
    // The first of four entries only says where the log comes from.
    const first = whole.length - 3 * ((whole.length - originBytes(whole)) / 3)
    for (let at = 0; at < whole.length; at++) {
      const bad = whole.slice()
      bad[at]! ^= 1 << (at % 8)
      folder.files.set('vault.log', bad)
      const bruised = await open()
      const lost = at < first ? 0 : 1
      expect(bruised.list(), `byte ${at}`).toHaveLength(3 - lost)
      expect(bruised.loss(), `byte ${at}`).toEqual(lost ? { entries: 1, unknown: false } : null)
      if (at % 97 !== 0) continue
      await bruised.add(object(9))
      const again = await open()
      expect(again.list()).toHaveLength(4 - lost)
      expect(again.loss()).toEqual(lost ? { entries: 1, unknown: false } : null)
      const aside = [...folder.files.keys()].filter((name) => name.includes('damaged'))
      expect(aside.map((name) => folder.files.get(name))).toEqual([bad])
      folder.files.delete(aside[0]!)
      folder.files.set('vault.head', head)
    }
  })

  test('cut short at the end of an entry, it does not pass for a shorter one, also after it goes on', async () => {
    const vault = await open()
    await vault.add(object(1))
    const end = folder.files.get('vault.log')!.length
    for (let at = 2; at <= 5; at++) await vault.add(object(at))
    await vault.close()
    folder.files.set('vault.log', folder.files.get('vault.log')!.slice(0, end))
    const cut = await open()
    expect(cut.list()).toHaveLength(1)
    expect(cut.loss()).toEqual({ entries: 4, unknown: false })
    await cut.add(object(9))
    const again = await open()
    expect(again.list().map(({ name }) => name)).toEqual(['Record 1', 'Record 9'])
    expect(again.loss()).toEqual({ entries: 4, unknown: false })
  })

  test('gone, it does not pass for a new one', async () => {
    const vault = await open()
    await vault.add(object(1))
    await vault.add(object(2))
    await vault.close()
    folder.files.delete('vault.log')
    expect((await open()).loss()).toEqual({ entries: 2, unknown: false })
    folder.files.delete('vault.head')
    expect((await open()).loss()).toBeNull()
    const expected = await openVault(folder, key, testRandom('expected'), { mustExist: true })
    expect(expected.loss()).toEqual({ entries: 0, unknown: true })
    await expected.add(object(3))
    expect((await open()).loss()).toEqual({ entries: 0, unknown: true })
  })

  test('an older copy of it does not pass for the newest', async () => {
    const vault = await open()
    await vault.add(object(1))
    const older = folder.files.get('vault.log')!
    await vault.add(object(2))
    await vault.close()
    folder.files.set('vault.log', older)
    expect((await open()).loss()).toEqual({ entries: 1, unknown: false })
    // Written anew since: how much the copy lacks is not known.
    await vault.merge([])
    folder.files.set('vault.log', older)
    expect((await open()).loss()).toEqual({ entries: 0, unknown: true })
  })

  test('a crash between its two files is no loss', async () => {
    const vault = await open()
    await vault.add(object(1))
    await vault.close()
    const head = folder.files.get('vault.head')!
    await vault.merge([])
    folder.files.set('vault.head', head)
    expect((await open()).loss()).toBeNull()
    folder.files.delete('vault.head')
    expect((await open()).loss()).toBeNull()
    folder.files.set('vault.head', head.slice(0, 20))
    expect((await open()).loss()).toBeNull()
  })

  test('what it lost comes back from entries kept elsewhere, and then it is whole', async () => {
    const vault = await open()
    for (let at = 1; at <= 3; at++) await vault.add(object(at))
    await vault.setMarker('mail/x', utf8('7'))
    await vault.close()
    const kept = vault.entries()
    folder.files.delete('vault.log')
    const lost = await open()
    await lost.add(object(9))
    expect(await lost.merge(kept)).toBe(4)
    const whole = await open()
    expect(whole.loss()).toBeNull()
    expect(whole.list()).toHaveLength(4)
    expect(await whole.merge(kept)).toBe(0)
  })

  test('with another key nothing opens, and nothing of it is destroyed', async () => {
    const vault = await open()
    await vault.add(object(1))
    await vault.close()
    const whole = folder.files.get('vault.log')!
    const other = await openVault(folder, fill(8), testRandom('x'), { mustExist: true })
    expect(other.list()).toEqual([])
    expect(other.loss()).toEqual({ entries: 0, unknown: true })
    await other.add(object(2))
    const aside = [...folder.files].filter(([name]) => name.includes('damaged'))
    expect(aside.map(([, content]) => content)).toEqual([whole])
  })

  test('entries moved within or between logs are missed', async () => {
    const vault = await open()
    const ends: number[] = []
    for (let at = 1; at <= 3; at++) {
      await vault.add(object(at))
      ends.push(folder.files.get('vault.log')!.length)
    }
    await vault.close()
    const whole = folder.files.get('vault.log')!
    const [first, second, third] = ends as [number, number, number]
    const swapped = [...whole.slice(0, first), ...whole.slice(second, third), ...whole.slice(first, second)]
    folder.files.set('vault.log', new Uint8Array(swapped))
    expect((await open()).loss()).toEqual({ entries: 1, unknown: false })
    await vault.merge([])
    await vault.close()
    const anew = folder.files.get('vault.log')!
    folder.files.set('vault.log', new Uint8Array([...anew, ...whole.slice(first, second)]))
    const mixed = await open()
    expect(mixed.list()).toHaveLength(3)
    expect(mixed.loss()).toBeNull()
  })

  test('refuses at the time of adding what it could not hold, says what fills it, and lets room be made', async () => {
    const small = await openVault(folder, key, testRandom('small'), { bytesMax: 20_000 })
    const letter = fill(1, 8_000)
    for (let at = 0; at < 2; at++) await small.addReceived({ grantId: fill(at, 16), letter, arrivedMs: at })
    await small.add(object(1))
    const refused = small.addReceived({ grantId: fill(2, 16), letter, arrivedMs: 2 })
    const alsoAdded = small.add(object(2))
    await expect(refused).rejects.toMatchObject({
      code: 'NO_SPACE',
      message: expect.stringContaining('2 permissions received (1 MiB)'),
    })
    await alsoAdded
    await small.forgetReceived(fill(0, 16))
    await small.addReceived({ grantId: fill(2, 16), letter, arrivedMs: 2 })
    expect(small.received()).toHaveLength(2)
    expect((await open()).list()).toHaveLength(2)
  })

  test('larger than it may become, it is still read', async () => {
    const vault = await open()
    for (let at = 0; at < 4; at++)
      await vault.addReceived({ grantId: fill(at, 16), letter: fill(1, 8_000), arrivedMs: at })
    const again = await openVault(folder, key, testRandom('small'), { bytesMax: 20_000 })
    expect(again.received()).toHaveLength(4)
    await expect(again.add(object(1))).rejects.toMatchObject({ code: 'NO_SPACE' })
    await again.forgetReceived(fill(0, 16))
    await again.forgetReceived(fill(1, 16))
    await again.add(object(1))
    expect((await open()).list()).toHaveLength(1)
  })

  test('an append that failed half-way does not hurt the next', async () => {
    const vault = await open()
    await vault.add(object(1))
    const append = folder.append
    folder.append = async (name, content) => {
      await append(name, content.slice(0, 40))
      throw new Error('disk full')
    }
    await expect(vault.add(object(2))).rejects.toThrow('disk full')
    folder.append = append
    await vault.add(object(3))
    expect((await open()).list().map(({ name }) => name)).toEqual(['Record 1', 'Record 3'])
  })

  test('stays small when the same things change again and again', async () => {
    const vault = await open()
    await vault.add(object(1))
    for (let at = 0; at < 1000; at++) await vault.setMarker('receipts/x', utf8(String(at)))
    expect(folder.files.get('vault.log')!.length).toBeLessThan(20_000)
    const again = await open()
    expect(again.marker('receipts/x')).toEqual(utf8('999'))
    expect(again.list()).toHaveLength(1)
  })

  test('nothing in the file can be read without the key', async () => {
    const vault = await open()
    await vault.add(object(1, 'Very private diagnosis'))
    const text = toHex(folder.files.get('vault.log')!)
    expect(text).not.toContain(toHex(utf8('Very private')))
    expect(text).not.toContain(toHex(object(1).custodyKey.slice(0, 8)))
    expect(text).not.toContain(toHex(object(1).objectId.slice(0, 8)))
  })

  test('behaves as a map, whatever happens in whatever order', async () => {
    const action = fc.tuple(fc.constantFrom('add', 'remove', 'reopen'), fc.integer({ min: 0, max: 5 }))
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 30 }), async (actions) => {
        folder = memoryFolder()
        const model = new Map<number, number>()
        let vault = await open()
        let version = 1
        for (const [what, which] of actions) {
          if (what === 'add') {
            model.set(which, ++version)
            await vault.add({ ...object(which), version })
          } else if (what === 'remove') {
            model.delete(which)
            await vault.remove(fill(which))
          } else vault = await open()
        }
        const found = new Map((await open()).list().map((kept) => [kept.objectId[0]!, kept.version]))
        expect(found).toEqual(model)
      }),
      { numRuns: 60 },
    )
  })
})
