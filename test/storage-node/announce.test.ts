import { expect, test } from 'vitest'
import { XcareError } from '../../src/errors.ts'
import type { ObjectId } from '../../src/ids.ts'
import type { Directory, XcareEvent } from '../../src/ports.ts'
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

test('announcements gather while one group is under way, each object once, and failures are only logged', async () => {
  const directory = new SlowDirectory()
  const events: XcareEvent[] = []
  const queue = new AnnounceQueue(directory, (event) => events.push(event))
  queue.add(column(1))
  await turn()
  for (const seed of [2, 3, 2]) queue.add(column(seed))
  queue.add(column(4, 9))
  await turn()
  expect(directory.asked).toHaveLength(1)
  directory.answer(new XcareError('OFFLINE', 'alone'))
  await turn()
  expect(directory.asked).toHaveLength(3)
  expect(events).toEqual([{ type: 'failed', what: 'announce', code: 'OFFLINE' }])
  await queue.stop()
  expect(events).toHaveLength(1)
  queue.add(column(5))
  await turn()
  expect(directory.asked).toHaveLength(3)
})
