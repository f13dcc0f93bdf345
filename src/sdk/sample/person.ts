import type { Random } from '../../ports.ts'

const FAMILY = [
  'Aldermoor',
  'Brightwater',
  'Castellane',
  'Dunmarrow',
  'Eskelund',
  'Fairholme',
  'Greystone',
  'Halvorsen',
]
const GIVEN = ['Amara', 'Bruno', 'Celeste', 'Dario', 'Elodie', 'Farid', 'Greta', 'Hiroto', 'Ines', 'Jonas']
const STREETS = ['Chestnut Lane', 'Harbour Row', 'Mill Street', 'Orchard Road', 'Station Square']
const TOWNS = ['Ashford Bay', 'Brookhaven', 'Eastmere', 'Northgate', 'Westering']
const DAY_MS = 24 * 3600 * 1000

/** Somebody who does not exist. Dates are ISO 8601. */
export interface Person {
  family: string
  given: string
  gender: 'female' | 'male'
  birthDate: string
  street: string
  town: string
  phone: string
  /** Hospital's own number of the patient. */
  recordNumber: string
  /** Day of the made-up visit. */
  visitDate: string
  /** HbA1c in percent and systolic and diastolic pressure in mmHg, at the visit. */
  hba1c: number
  systolic: number
  diastolic: number
}

/** Draws whole numbers from random bytes. */
export class Dice {
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  /** A whole number from `low` to `high`, both possible. */
  between(low: number, high: number): number {
    const draw = new DataView(this.#random.bytes(4).buffer).getUint32(0)
    return low + (draw % (high - low + 1))
  }

  /** One of `choices`. */
  oneOf<T>(choices: readonly T[]): T {
    return choices[this.between(0, choices.length - 1)]!
  }
}

/** @returns a made-up person who was at the hospital some days before `nowMs`. */
export function samplePerson(random: Random, nowMs: number): Person {
  const dice = new Dice(random)
  const day = (ms: number) => new Date(ms).toISOString().slice(0, 10)
  return {
    family: dice.oneOf(FAMILY),
    given: dice.oneOf(GIVEN),
    gender: dice.oneOf(['female', 'male'] as const),
    birthDate: day(nowMs - dice.between(25 * 365, 80 * 365) * DAY_MS),
    street: `${dice.between(1, 120)} ${dice.oneOf(STREETS)}`,
    town: dice.oneOf(TOWNS),
    phone: `555-01${dice.between(10, 99)}`,
    recordNumber: `MRN-${dice.between(100_000, 999_999)}`,
    visitDate: day(nowMs - dice.between(3, 60) * DAY_MS),
    hba1c: dice.between(58, 92) / 10,
    systolic: dice.between(118, 156),
    diastolic: dice.between(72, 98),
  }
}
