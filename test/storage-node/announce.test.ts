import { expect, test } from 'vitest'
import { XcareError } from '../../src/errors.ts'
import type { ObjectId } from '../../src/ids.ts'
import type { Directory, Random, XcareEvent } from '../../src/ports.ts'
import { AnnounceQueue, isAnnouncer } from '../../src/storage-node/announce.ts'
import { seededBytes } from './made-object.ts'

class SlowDirectory implements Directory {
  readonly asked: ObjectId[] = []
  readonly #open: PromiseWithResolvers<void>[] = []

  announce(objectId: ObjectId, signal: AbortSignal): Promise<void> {
    this.asked.push(objectId)
    const wait = Promise.withResolvers<void>()
    this.#open.push(wait)
    signal.addEventListener('abort', () => wait.reject(new XcareError('TIMEOUT', 'late')))
    return wait.promise
  }

  answer(error?: XcareError): void {
    for (const wait of this.#open.splice(0)) error ? wait.reject(error) : wait.resolve()
  }

  find = async () => []
  locate = async () => null
}

const column = (seed: number, position = 0) => ({
  objectId: seededBytes(seed, 32),
  column: position,
  k: 6,
  n: 12,
})
const turn = () => new Promise((resolve) => setImmediate(resolve))

test('the first few columns announce, at most eight and never fewer than a reader needs to lose', () => {
  const announcers = (k: number, n: number) =>
    Array.from({ length: n }, (_, at) =>
      isAnnouncer({ objectId: new Uint8Array(32), column: at, k, n }),
    ).filter(Boolean).length
  expect([announcers(6, 12), announcers(16, 40), announcers(6, 7)]).toEqual([7, 8, 2])
})

/** A second that passes when the test says so. */
class Second {
  #wake: (() => void)[] = []
  readonly asked: number[] = []
  sleep = (durationMs: number, signal?: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      this.asked.push(durationMs)
      this.#wake.push(resolve)
      signal?.addEventListener('abort', () => reject(signal.reason))
    })
  async passes(): Promise<void> {
    for (const wake of this.#wake.splice(0)) wake()
    await turn()
  }
}

/** Gives these bytes, one after the other, and then zeros. */
const seededRandom = (first: number[]): Random => ({
  bytes: (length) => Uint8Array.from({ length }, () => first.shift() ?? 0),
})

test('objects of a second are announced in one go, each once, and failures are only logged', async () => {
  const directory = new SlowDirectory()
  const events: XcareEvent[] = []
  const clock = new Second()
  const ports = { clock, random: seededRandom([]) }
  const queue = new AnnounceQueue(directory, ports, (event) => events.push(event))
  for (const seed of [1, 2, 1]) queue.add(column(seed))
  queue.add(column(4, 9))
  await turn()
  expect(directory.asked).toHaveLength(0)
  await clock.passes()
  expect(directory.asked).toHaveLength(2)
  // What comes while a group is under way waits for the next.
  queue.add(column(3))
  await clock.passes()
  expect(directory.asked).toHaveLength(2)
  directory.answer(new XcareError('OFFLINE', 'alone'))
  await turn()
  expect(directory.asked).toHaveLength(2)
  await clock.passes()
  expect(directory.asked).toHaveLength(3)
  expect(events).toEqual([{ type: 'failed', what: 'announce', code: 'OFFLINE' }])
  await queue.stop()
  expect(events).toHaveLength(1)
  queue.add(column(5))
  await clock.passes()
  expect(directory.asked).toHaveLength(3)
})

test('how long objects are gathered is drawn anew each time: holders of one put do not all tell at once', async () => {
  const directory = new SlowDirectory()
  const clock = new Second()
  const ports = { clock, random: seededRandom([0, 128, 255]) }
  const queue = new AnnounceQueue(directory, ports, () => {})
  for (const seed of [1, 2, 3]) {
    queue.add(column(seed))
    await turn()
    await clock.passes()
    directory.answer()
    await turn()
  }
  expect(clock.asked.map(Math.round)).toEqual([2500, 5010, 7500])
  await queue.stop()
})
