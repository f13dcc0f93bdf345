import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { fromHex, toHex } from '../../src/bytes.ts'
import { openJournal, sealJournal } from '../../src/light-node/unfinished/journal-format.ts'
import { testRandom } from '../guardian-node/ports.ts'
import { seededBytes } from '../storage-node/made-object.ts'

const vector = JSON.parse(readFileSync('test/vectors/put-journal.json', 'utf8')) as {
  key: string
  sealed: string
}
const key = fromHex(vector.key)

const content = {
  v: 1 as const,
  begunMs: 1_800_000_000_000,
  source: { path: 'records/mri.dcm', bytes: 900_000, modifiedMs: 1_700_000_000_000 },
  name: 'mri.dcm',
  shape: 'grid 6/12 0 300000',
  objects: [
    {
      ...{ offset: 300_000, bytes: 300_000, objectId: seededBytes(1, 32), version: 1 },
      ...{ custodyKey: seededBytes(2, 32), begunMs: 1_800_000_000_001, nodes: ['node-00'], isSent: true },
      stored: { columns: 12, columnsOf: 12, milliNines: 7600, custodians: 4, custodiansOf: 4 },
    },
    {
      ...{ offset: 600_000, bytes: 300_000, objectId: seededBytes(3, 32), version: 1 },
      ...{
        custodyKey: seededBytes(4, 32),
        begunMs: 1_800_000_000_002,
        nodes: [],
        isSent: false,
        stored: null,
      },
    },
  ],
}

describe('a put journal', () => {
  test('is sealed as the frozen one', () => {
    expect(toHex(sealJournal(key, testRandom('put-journal'), content))).toBe(vector.sealed)
    expect(openJournal(key, fromHex(vector.sealed))).toEqual(content)
  })

  test('that was altered anywhere, cut, or sealed under another key does not open', () => {
    const sealed = fromHex(vector.sealed)
    for (const at of [0, 30, sealed.length - 1]) {
      const copy = sealed.slice()
      copy[at]! ^= 1
      expect(() => openJournal(key, copy)).toThrow(/altered/)
    }
    expect(() => openJournal(key, sealed.slice(0, 39))).toThrow(/cut off/)
    expect(() => openJournal(seededBytes(9, 32), sealed)).toThrow(/altered/)
  })
})
