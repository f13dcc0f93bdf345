import { utf8 } from '../../bytes.ts'
import { systemRandom } from '../../crypto/random.ts'
import { type RecordSource, slicesOf } from '../../light-node/put-record.ts'
import type { Random } from '../../ports.ts'
import { systemClock } from '../clock.ts'
import { sampleBundle } from './fhir.ts'
import { sampleLetter } from './letter.ts'
import { samplePerson } from './person.ts'
import { sampleScan } from './scan.ts'

/** @returns three records of a made-up patient: a FHIR R4 bundle, a letter and an image. */
export function samplePatient(
  random: Random = systemRandom,
  nowMs: number = systemClock.nowMs(),
): RecordSource[] {
  const person = samplePerson(random, nowMs)
  return [
    inMemory('visit.fhir.json', 'application/fhir+json', utf8(sampleBundle(person, random))),
    inMemory('letter.pdf', 'application/pdf', sampleLetter(person)),
    inMemory('chest-scan.png', 'image/png', sampleScan(random)),
  ]
}

/** @returns bytes in memory as a record. */
export function inMemory(name: string, mediaType: string, bytes: Uint8Array): RecordSource {
  return {
    name,
    mediaType,
    length: bytes.length,
    read: (offset, length) => slicesOf(bytes.subarray(offset, offset + length)),
  }
}
