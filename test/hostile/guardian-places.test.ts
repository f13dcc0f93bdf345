import { expect, test } from 'vitest'
import type { Refusal } from '../../src/guardian-node/parts.ts'
import { type Place, Places } from '../../src/guardian-node/places.ts'
import { ReleaseShares } from '../../src/guardian-node/release-shares.ts'
import type { NodeId } from '../../src/ids.ts'
import {
  GUARDIAN_REQUEST_MS,
  GUARDIAN_REQUESTS_MAX,
  GUARDIAN_STREAMS_MAX,
  GUARDIAN_WAITS_MAX,
} from '../../src/limits.ts'
import { TestClock } from '../guardian-node/ports.ts'

const peer = (name: string) => ({ remote: name as NodeId })

/** Requests that go on until they are told to end. */
class Requests {
  readonly #places: Places
  readonly ends: PromiseWithResolvers<void>[] = []
  readonly outcomes: string[] = []

  constructor(places: Places) {
    this.#places = places
  }

  start(name: string, first: (place: Place) => void = () => {}): void {
    const end = Promise.withResolvers<void>()
    const at = this.ends.push(end) - 1
    this.outcomes[at] = 'under way'
    this.#places
      .use(peer(name), async (place) => {
        first(place)
        await end.promise
      })
      .then(
        () => {
          this.outcomes[at] = 'done'
        },
        (error: Refusal) => {
          this.outcomes[at] = error.reason
        },
      )
  }

  count(outcome: string): number {
    return this.outcomes.filter((each) => each === outcome).length
  }
}

const settle = () => new Promise((resolve) => setImmediate(resolve))

test('six that ask as much as they can leave a place to a seventh, and half to those who proved something', async () => {
  const places = new Places(new TestClock())
  const flood = new Requests(places)
  for (let at = 0; at < 6 * 60; at++) flood.start(`stranger ${at % 6}`)
  await settle()
  expect(flood.count('under way')).toBeLessThanOrEqual(GUARDIAN_REQUESTS_MAX / 2)
  const honest = new Requests(places)
  honest.start('clinic')
  await settle()
  expect(honest.outcomes).toEqual(['under way'])
  honest.start('hospital', (place) => place.proven())
  for (let at = 0; at < 6 * 60; at++) flood.start(`stranger ${at % 6}`)
  await settle()
  expect(honest.outcomes).toEqual(['under way', 'under way'])
  for (const { resolve } of honest.ends) resolve()
  await settle()
  expect(honest.outcomes).toEqual(['done', 'done'])
})

test('who has proven something is not put out by any number of strangers', async () => {
  const places = new Places(new TestClock())
  const owners = new Requests(places)
  const hospitals = GUARDIAN_REQUESTS_MAX / 2 / GUARDIAN_STREAMS_MAX
  for (let at = 0; at < hospitals; at++)
    for (let more = 0; more < GUARDIAN_STREAMS_MAX; more++)
      owners.start(`hospital ${at}`, (place) => place.proven())
  const flood = new Requests(places)
  for (let at = 0; at < 1000; at++) flood.start(`made up ${at}`)
  await settle()
  expect(owners.count('under way')).toBe(GUARDIAN_REQUESTS_MAX / 2)
  expect(flood.count('under way')).toBe(GUARDIAN_REQUESTS_MAX / 2)
})

test('a request has so much time and no more, and its answer does not wait for what it began', async () => {
  const clock = new TestClock()
  const requests = new Requests(new Places(clock))
  requests.start('slow')
  await settle()
  clock.advance(GUARDIAN_REQUEST_MS)
  await settle()
  expect(requests.outcomes).toEqual(['busy'])
})

test('who waits for a block holds no place, and only so many wait', async () => {
  const clock = new TestClock()
  const places = new Places(clock)
  const waits: Promise<unknown>[] = []
  for (let at = 0; at < 3 * GUARDIAN_WAITS_MAX; at++)
    waits.push(
      places
        .use(peer(`stranger ${at}`), (place) => place.pause(5_000))
        .catch((error: Refusal) => error.reason),
    )
  await settle()
  expect(places.taken.working).toBe(0)
  expect(places.taken.outside).toBeLessThanOrEqual(GUARDIAN_WAITS_MAX / 2)
  expect(await places.use(peer('clinic'), async () => 'served')).toBe('served')
  clock.advance(5_000)
  await Promise.all(waits)
  expect(places.taken).toEqual({ working: 0, outside: 0 })
})

test('made-up readers of made-up records leave every release of long-held shares, and one to each newcomer', () => {
  const minuteMax = 100
  const shares = new ReleaseShares(minuteMax)
  let given = 0
  for (let round = 0; round < minuteMax; round++)
    for (let at = 0; at < 8; at++) if (shares.take(`made up ${at}`, 'stranger', 0)) given++
  expect(given).toBeLessThan(minuteMax / 2)
  // Nobody of the eight has more than what is left for the next.
  expect(shares.take('newcomer', 'stranger', 0)).toBe(true)
  for (let at = 0; at < minuteMax; at++) shares.take(`one each ${at}`, 'stranger', 0)
  expect(shares.hasRoom('late', 'stranger', 0)).toBe(false)
  for (let at = 0; at < minuteMax / 4; at++) expect(shares.take('clinic', 'owner', 0)).toBe(true)
  expect(shares.hasRoom('hospital', 'owner', 0)).toBe(true)
  expect(shares.take('late', 'stranger', 60_000)).toBe(true)
})
