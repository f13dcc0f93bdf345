import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { toHex, utf8 } from '../../src/bytes.ts'
import { latestEpochKey } from '../../src/chain-anchor/app/keys.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import { XcareError } from '../../src/errors.ts'
import type { Folder, Ledger } from '../../src/ports.ts'
import { cachedLedger } from '../../src/sdk/cached-ledger.ts'
import { openFolder } from '../../src/sdk/folder.ts'
import { scratchFolder } from './scratch.ts'

const scratch = scratchFolder()
const LIST = utf8('node list of epoch 1')
const HASH = sha256(LIST)
let nowMs = 1e12
const clock = { nowMs: () => nowMs }

/** A ledger that serves `LIST` and counts how often it was asked. */
function countingLedger(): { ledger: Ledger; asked: () => number } {
  let asked = 0
  const unused = () => Promise.reject(new XcareError('OFFLINE', 'not part of this test'))
  const ledger: Ledger = {
    head: unused,
    read: unused,
    submit: unused,
    send: unused,
    blob: async (hash) => {
      asked++
      if (toHex(hash) === toHex(HASH)) return LIST
      return hash.slice()
    },
  }
  return { ledger, asked: () => asked }
}

describe('a cache of public bytes', () => {
  test('asks once, and again when it is opened after the folder was emptied', async () => {
    const path = join(scratch, 'once')
    const { ledger, asked } = countingLedger()
    const open = async () => cachedLedger(ledger, await openFolder(path), clock)
    const cached = await open()
    for (let time = 0; time < 3; time++) expect(await cached.blob(HASH)).toEqual(LIST)
    expect(asked()).toBe(1)
    expect(await (await open()).blob(HASH)).toEqual(LIST)
    expect(asked()).toBe(1)
    for (const name of readdirSync(path)) rmSync(join(path, name))
    expect(await cached.blob(HASH)).toEqual(LIST)
    expect(asked()).toBe(1)
    expect(await (await open()).blob(HASH)).toEqual(LIST)
    expect(asked()).toBe(2)
    expect(new Uint8Array(readFileSync(join(path, toHex(HASH))))).toEqual(LIST)
  })

  test.each([
    ['altered', utf8('node list of epoch 2')],
    ['cut', LIST.subarray(0, 5)],
    ['empty', new Uint8Array()],
    ['longer', utf8('node list of epoch 1!')],
  ])('what lies there %s is not believed, and mended', async (how, poison) => {
    const path = join(scratch, `poisoned-${how}`)
    const { ledger, asked } = countingLedger()
    const cached = cachedLedger(ledger, await openFolder(path), clock)
    writeFileSync(join(path, toHex(HASH)), poison)
    expect(await cached.blob(HASH)).toEqual(LIST)
    expect(asked()).toBe(1)
    expect(await cached.blob(HASH)).toEqual(LIST)
    expect(asked()).toBe(1)
  })

  test('a disk that fails costs time and nothing else', async () => {
    const broken = () => Promise.reject(new XcareError('NO_SPACE', 'the disk is full'))
    const folder: Folder = { read: broken, replace: broken, append: broken, remove: broken, list: broken }
    const { ledger, asked } = countingLedger()
    const cached = cachedLedger(ledger, folder, clock)
    expect(await cached.blob(HASH)).toEqual(LIST)
    expect(await cached.blob(HASH)).toEqual(LIST)
    expect(asked()).toBe(1)
  })

  test('a failure of the chain is passed on, and not kept', async () => {
    const path = join(scratch, 'failure')
    const { ledger } = countingLedger()
    let down = true
    const fails: Ledger = {
      ...ledger,
      blob: (hash) => (down ? Promise.reject(new XcareError('OFFLINE', 'away')) : ledger.blob(hash)),
    }
    const cached = cachedLedger(fails, await openFolder(path), clock)
    await expect(cached.blob(HASH)).rejects.toMatchObject({ code: 'OFFLINE' })
    down = false
    expect(await cached.blob(HASH)).toEqual(LIST)
  })

  test('stays small', async () => {
    const path = join(scratch, 'small')
    const cached = cachedLedger(countingLedger().ledger, await openFolder(path), clock)
    for (let at = 0; at < 100; at++) await cached.blob(sha256(Uint8Array.of(at)))
    expect(readdirSync(path).length).toBeLessThanOrEqual(24)
  })

  test('asks for the newest header and epoch once a second, for other values each time', async () => {
    const asked: string[] = []
    const told = (what: string) => {
      asked.push(what)
      return { height: asked.length, timeMs: nowMs - 500 }
    }
    const ledger: Ledger = {
      ...countingLedger().ledger,
      head: async () => ({ ...told('head'), hash: HASH, chainId: 'c' }),
      read: async (key) => ({ ...told(key.length === 1 ? 'other' : 'epoch'), value: LIST }),
    }
    const cached = cachedLedger(ledger, await openFolder(join(scratch, 'newest')), clock)
    const all = async (maxAgeMs: number) => {
      await cached.head(maxAgeMs)
      await cached.read(latestEpochKey(), maxAgeMs)
      await cached.read(Uint8Array.of(1), maxAgeMs)
      return asked.splice(0).join(' ')
    }
    expect(await all(30_000)).toBe('head epoch other')
    nowMs += 900
    expect(await all(30_000)).toBe('other')
    // Nobody may be given an epoch from before the block that they name.
    await cached.read(latestEpochKey(), 30_000, 7)
    expect(asked.splice(0)).toEqual(['epoch'])
    // What is kept is older than the caller allows.
    expect(await all(1_300)).toBe('head epoch other')
    nowMs += 1_000
    expect(await all(30_000)).toBe('head epoch other')
    nowMs -= 3_600_000
    expect(await all(30_000)).toBe('head epoch other')
  })
})
