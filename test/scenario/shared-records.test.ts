import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bundleRecord, readBundleIndex } from '../../src/fragment/bundle.ts'
import { PROFILES } from '../../src/fragment/profile.ts'
import type { ObjectId } from '../../src/ids.ts'
import { openRecord } from '../../src/light-node/get-record.ts'
import { putBundle, putRecord } from '../../src/light-node/put-record.ts'
import { fileSource } from '../../src/sdk/file-source.ts'
import type { LightNode } from '../../src/sdk/open-light-node.ts'
import { shared } from '../shared-data.ts'
import { startWithLightNode } from './light-node.ts'
import { TestNetwork, xcare } from './network.ts'

const data = shared('data')
const net = new TestNetwork()
const files = data === null ? [] : filesBelow(data)
let node: LightNode

function filesBelow(path: string): string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

async function content(objectId: ObjectId): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of (await openRecord(node.ports, objectId, node.custodyKeyOf)).content)
    pieces.push(piece.slice())
  return Buffer.concat(pieces)
}

describe.skipIf(data === null)('real-format records through real processes (needs ../shared/data)', () => {
  beforeAll(async () => {
    node = (await startWithLightNode(net)).node
  }, 180_000)

  afterAll(async () => {
    await node?.close()
    await net.end()
  }, 60_000)

  test('every file comes back byte for byte, put singly', async () => {
    expect(files.length).toBeGreaterThan(150)
    const differing: string[] = []
    for (const file of files) {
      const { objectId } = await putRecord(node.ports, await fileSource(file), PROFILES.grid)
      if (sha256(await content(objectId)) !== sha256(readFileSync(file))) differing.push(file)
    }
    expect(differing).toEqual([])
  }, 600_000)

  test('every file comes back byte for byte out of bundles', async () => {
    const differing: string[] = []
    for (let at = 0; at < files.length; at += 40) {
      const some = files.slice(at, at + 40)
      const sources = await Promise.all(some.map((file) => fileSource(file, relative(data!, file))))
      const { objectId } = await putBundle(node.ports, 'bundle', sources, PROFILES.grid)
      const bundle = await content(objectId)
      const entries = new Map(readBundleIndex(bundle).map((entry) => [entry.name, entry]))
      for (const file of some) {
        const entry = entries.get(relative(data!, file))
        if (!entry || sha256(bundleRecord(bundle, entry)) !== sha256(readFileSync(file))) differing.push(file)
      }
    }
    expect(differing).toEqual([])
  }, 300_000)

  test('a file is put and got by the command line, singly and out of a bundle', async () => {
    await node.close()
    const some = files.filter((file) => file.endsWith('.json')).slice(0, 3)
    const put = await net.run('put', ...some)
    const ids = (put.result.objects as { objectId: string }[]).map(({ objectId }) => objectId)
    const bundle = await net.run('put', '--bundle', ...some)
    expect(bundle.result.objects).toHaveLength(1)
    const id = (bundle.result.objects as { objectId: string }[])[0]!.objectId
    for (const [at, file] of some.entries()) {
      const single = net.path(`single-${at}`)
      expect((await net.run('get', ids[at]!, '-o', single)).exit).toBe(0)
      expect(readFileSync(single).equals(readFileSync(file))).toBe(true)
    }
    const all = await xcare(['get', id, '-o', net.path('unpacked'), '--dir', net.root])
    expect(all.exit).toBe(0)
    const unpacked = filesBelow(net.path('unpacked')).map((path) => sha256(readFileSync(path)))
    expect(new Set(unpacked)).toEqual(new Set(some.map((file) => sha256(readFileSync(file)))))
    writeFileSync(net.path('done'), '')
  }, 180_000)
})
