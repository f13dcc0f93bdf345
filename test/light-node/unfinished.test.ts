import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { recordKey } from '../../src/chain-anchor/app/keys.ts'
import { recordValue } from '../../src/chain-anchor/app/values.ts'
import { PROFILES } from '../../src/fragment/profile.ts'
import { objectIdToBytes } from '../../src/ids.ts'
import { type PutRecordPorts, putRecord, type RecordSource } from '../../src/light-node/put-record.ts'
import { sweepUnfinished } from '../../src/light-node/unfinished/journal.ts'
import { PUT_ABANDONED_MS, PUT_JOURNAL_KEPT_MS } from '../../src/limits.ts'
import { seededBytes } from '../storage-node/made-object.ts'
import { MemoryNetwork, sourceOf } from './memory-network.ts'
import type { Lie } from './tapped-stream.ts'

const BYTES = seededBytes(1, 900_000)
/** Three objects: the parts at 300,000 and 600,000 are put before the first. */
const OBJECT_BYTES = 300_000

let net: MemoryNetwork
let before: number
beforeAll(async () => {
  net = await MemoryNetwork.start()
})
afterAll(() => net.stop())
beforeEach(async () => {
  before = await net.fragments()
})
afterEach(async () => {
  await expect.poll(() => net.openStreams.map(({ remote }) => remote)).toEqual([])
  expect([...net.shelf.files.keys()]).toEqual([])
  net.reset()
})

const silentAt =
  (op: string): Lie =>
  (message) =>
    message.op === op ? 'hang up' : message

function file(bytes = BYTES, modifiedMs = 1): RecordSource {
  const identity = { path: 'records/mri.dcm', bytes: bytes.length, modifiedMs }
  return { ...sourceOf(bytes, 'mri.dcm'), identity }
}

const put = (source = file(), ports: PutRecordPorts = net.ports) =>
  putRecord(ports, source, PROFILES.grid, OBJECT_BYTES)

/** Ports with which the put fails as the object number `at` (from 0) is begun. */
function failingAt(at: number): PutRecordPorts {
  let sealed = 0
  const { coder } = net.ports
  const seal: typeof coder.seal = async (...args) => {
    if (sealed++ === at) throw new Error('the power went')
    return coder.seal(...args)
  }
  return { ...net.ports, coder: { ...coder, seal } }
}

const anchoredIds = () =>
  net.chain.anchored.flatMap((message) => (message.type === 'record.anchor' ? [message.objectId] : []))

describe('a put that fails leaves nothing', () => {
  test('with nine columns whole on their nodes: they drop them, and the error says so', async () => {
    for (const node of net.nodes.slice(0, 3)) node.lie = silentAt('RECEIPT')
    const failing = net.put(BYTES)
    await expect(failing).rejects.toMatchObject({ code: 'TOO_FEW_NODES' })
    await expect(failing).rejects.toMatchObject({
      next: expect.stringMatching(/nothing of it is left behind$/),
    })
    expect(await net.fragments()).toBe(before)
  })

  test('after its block was made, with two guardians away: the chain shows it as removed', async () => {
    for (const guardian of net.guardians.slice(0, 2)) guardian.isDown = true
    await expect(net.put(BYTES)).rejects.toMatchObject({ code: 'TOO_FEW_GUARDIANS' })
    const [objectId] = anchoredIds()
    expect(recordValue.decode(net.chain.get(recordKey(objectId!))!).status).toBe('removed')
    expect(await net.fragments()).toBe(before)
  })

  test('and is interrupted: what was sent is dropped before it ends', async () => {
    const over = new AbortController()
    const source = {
      ...sourceOf(BYTES),
      async *read() {
        yield BYTES.slice(0, 800_000)
        over.abort()
        await new Promise(() => {})
      },
    }
    const failing = putRecord({ ...net.ports, signal: over.signal }, source, PROFILES.grid)
    await expect(failing).rejects.toMatchObject({ code: 'INTERRUPTED', exitCode: 130 })
    expect(await net.fragments()).toBe(before)
  })

  test('a node that is gone by then is told by the next command of the wallet', async () => {
    const [late, ...others] = net.nodes
    for (const node of others.slice(0, 3))
      node.lie = (message) => {
        if (message.op !== 'RECEIPT') return message
        late!.isDown = true
        return 'hang up'
      }
    const failing = net.put(BYTES)
    await expect(failing).rejects.toMatchObject({
      next: expect.stringContaining('the next command of this wallet'),
    })
    expect(await net.fragments()).toBeGreaterThan(before)
    await sweepUnfinished(net.ports)
    expect(net.shelf.files.size).toBe(1)
    net.reset()
    await sweepUnfinished(net.ports)
    expect(await net.fragments()).toBe(before)
  })

  test('a node that never comes back is not told for ever: it drops by itself what is not anchored', async () => {
    const [gone, ...others] = net.nodes
    for (const node of others.slice(0, 3))
      node.lie = (message) => {
        if (message.op === 'RECEIPT') gone!.isDown = true
        return message.op === 'RECEIPT' ? 'hang up' : message
      }
    await expect(net.put(BYTES)).rejects.toMatchObject({ code: 'TOO_FEW_NODES' })
    net.pass(PUT_ABANDONED_MS + 1)
    await sweepUnfinished(net.ports)
    expect(net.shelf.files.size).toBe(0)
  })
})

describe('a large put that is interrupted', () => {
  const reads = async (objectId: Awaited<ReturnType<typeof put>>['objectId']) => {
    // The vault gives keys object by object.
    const content = await net.get(objectId)
    expect(Buffer.from(content).equals(BYTES)).toBe(true)
  }

  test('goes on where it was: what is stored is not sent again', async () => {
    const failing = put(file(), failingAt(1))
    await expect(failing).rejects.toThrow('the power went')
    await expect(failing).rejects.toMatchObject({ next: expect.stringContaining('300000 bytes are stored') })
    const first = anchoredIds()
    expect(first).toHaveLength(1)
    net.reset()
    const { objectId, parts } = await put()
    expect(net.events).toContainEqual({ type: 'put-resumed', name: 'mri.dcm', bytes: 300_000, of: 900_000 })
    expect(objectIdToBytes(parts[0]!)).toEqual(first[0])
    expect(anchoredIds()).toHaveLength(2)
    await reads(objectId)
    const told = net.events.filter(({ type }) => type === 'put-progress')
    expect(told[0]).toMatchObject({ name: 'mri.dcm', bytes: 600_000, of: 900_000 })
    expect(told.at(-1)).toMatchObject({ objectId, bytes: 900_000, of: 900_000 })
  })

  test('by a crash in the middle of an object: that object is removed and sealed anew', async () => {
    const dead = Promise.withResolvers<void>()
    let reads0 = 0
    const source = {
      ...file(),
      async *read(offset: number, length: number) {
        yield* file().read(offset, length - 1)
        // Second object: nothing ever follows, as if the process had ended here.
        if (++reads0 === 2) {
          dead.resolve()
          await new Promise(() => {})
        }
        yield* file().read(offset + length - 1, 1)
      },
    }
    void put(source)
    await dead.promise
    for (const stream of net.openStreams) stream.abort(new Error('the process ended'))
    net.shelf.crash()
    const { objectId } = await put()
    await reads(objectId)
    expect(anchoredIds()).toHaveLength(3)
  })

  test('after the last object was stored: only the keys are left to be kept', async () => {
    const vault = { ...net.ports.vault, add: () => Promise.reject(new Error('the disk is full')) }
    await expect(put(file(), { ...net.ports, vault })).rejects.toThrow('the disk is full')
    net.reset()
    const { objectId } = await put()
    expect(anchoredIds()).toEqual([])
    await reads(objectId)
  })

  test('and whose file has changed since: begun anew, and what was stored of it is removed', async () => {
    await expect(put(file(), failingAt(1))).rejects.toThrow('the power went')
    const [old] = anchoredIds()
    const { objectId } = await put(file(BYTES, 2))
    expect(net.events.map(({ type }) => type)).toContain('put-changed')
    expect(recordValue.decode(net.chain.get(recordKey(old!))!).status).toBe('removed')
    await reads(objectId)
  })

  test('is told of by later commands, and given up after a week', async () => {
    await expect(put(file(), failingAt(2))).rejects.toThrow('the power went')
    await sweepUnfinished(net.ports)
    expect(net.events.at(-1)).toEqual({
      ...{ type: 'put-unfinished', name: 'mri.dcm', file: 'records/mri.dcm' },
      ...{ bytes: 600_000, of: 900_000 },
    })
    net.pass(PUT_JOURNAL_KEPT_MS + 1)
    await sweepUnfinished(net.ports)
    expect(await net.fragments()).toBe(before)
    for (const id of anchoredIds())
      expect(recordValue.decode(net.chain.get(recordKey(id))!).status).toBe('removed')
  })

  test('shows nothing outside the seal, and is of no use to another wallet', async () => {
    await expect(put(file(), failingAt(1))).rejects.toThrow('the power went')
    const [sealed] = [...net.shelf.files.values()]
    expect(Buffer.from(sealed!).includes('mri')).toBe(false)
    expect(Buffer.from(sealed!).includes(Buffer.from(anchoredIds()[0]!))).toBe(false)
    const other = { ...net.ports, journals: { shelf: net.shelf, key: new Uint8Array(32) } }
    await sweepUnfinished(other)
    expect([...net.shelf.files.values()]).toEqual([sealed])
    await put()
  })

  test('two puts of the same file at once do not disturb each other', async () => {
    const [one, two] = await Promise.all([put(), put()])
    expect(one.objectId).not.toBe(two.objectId)
    await reads(one.objectId)
    await reads(two.objectId)
  })

  test('what a journal in use notes is not swept by another command', async () => {
    const dead = Promise.withResolvers<void>()
    const go = Promise.withResolvers<void>()
    const source = {
      ...file(),
      async *read(offset: number, length: number) {
        yield* file().read(offset, length - 1)
        dead.resolve()
        await go.promise
        yield* file().read(offset + length - 1, 1)
      },
    }
    const putting = put(source)
    await dead.promise
    await sweepUnfinished(net.ports)
    go.resolve()
    await reads((await putting).objectId)
  })
})
