import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { toHex, utf8 } from '../../src/bytes.ts'
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

beforeEach(() => {
  folder = memoryFolder()
})

describe('a vault', () => {
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

  test('any flipped bit is reported, never passed over', async () => {
    const vault = await open()
    for (let at = 1; at <= 3; at++) await vault.add(object(at))
    const whole = folder.files.get('vault.log')!
    for (let at = 0; at < whole.length; at++) {
      const bad = whole.slice()
      bad[at]! ^= 1 << (at % 8)
      folder.files.set('vault.log', bad)
      await expect(open(), `byte ${at}`).rejects.toMatchObject({ code: 'INTEGRITY' })
    }
  })

  test('another key, and entries moved within or between logs, are refused', async () => {
    const vault = await open()
    await vault.add(object(1))
    const head = folder.files.get('vault.log')!.length
    await vault.add(object(1))
    const whole = folder.files.get('vault.log')!
    await expect(openVault(folder, fill(8), testRandom('x'))).rejects.toMatchObject({ code: 'INTEGRITY' })
    const withoutFirst = new Uint8Array([...whole.slice(0, 24), ...whole.slice(head)])
    folder.files.set('vault.log', withoutFirst)
    await expect(open()).rejects.toMatchObject({ code: 'INTEGRITY' })
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
