import { native } from '#native'
import type { Random } from '../ports.ts'

/** The platform's cryptographic random source. */
export const systemRandom: Random = {
  bytes: (length) => native.randomBytes(length),
}
