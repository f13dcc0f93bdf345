import { XcareError } from '../../../errors.ts'

/** What the way between the client and the network is like. One direction; the other is the same but for its rate. */
export interface NetworkProfile {
  name: string
  /** Delay of every byte in one direction, and up to so much more by chance. */
  delayMs: number
  jitterMs: number
  /** The client's own line, shared by all its connections, in Mbit/s; null for no limit. */
  upMbit: number | null
  downMbit: number | null
  /** Chance that a segment of 1,460 bytes is lost. TCP sends it again, so a loss shows as a stall of its connection. */
  loss: number
  stallMs: number
}

/**
 * The profiles, simplest first. `loopback` is no proxy at all. `lan`: one switch; timers make 1 ms the smallest delay. `wan`: a server in the
 * same country over fibre. `clinic`: a practice on an asymmetric line.
 */
const PROFILES: readonly NetworkProfile[] = [
  { name: 'loopback', delayMs: 0, jitterMs: 0, upMbit: null, downMbit: null, loss: 0, stallMs: 0 },
  { name: 'lan', delayMs: 1, jitterMs: 0, upMbit: 1000, downMbit: 1000, loss: 0, stallMs: 0 },
  { name: 'wan', delayMs: 20, jitterMs: 3, upMbit: 100, downMbit: 200, loss: 0.0005, stallMs: 60 },
  { name: 'clinic', delayMs: 15, jitterMs: 8, upMbit: 20, downMbit: 80, loss: 0.002, stallMs: 80 },
]

/** Names of the profiles that a proxy stands for. */
export const PROXIED = PROFILES.slice(1).map(({ name }) => name)

/** @throws XcareError USAGE when there is no such profile. */
export function networkProfileNamed(name: string): NetworkProfile {
  const found = PROFILES.find((profile) => profile.name === name)
  if (found) return found
  throw new XcareError('USAGE', `there is no network profile "${name.slice(0, 40)}"`, {
    next: `choose ${PROFILES.map((profile) => profile.name).join(', ')}`,
  })
}

/** @returns the profile in words, for reports. */
export function profileSentence({
  name,
  delayMs,
  jitterMs,
  upMbit,
  downMbit,
  loss,
  stallMs,
}: NetworkProfile): string {
  if (name === 'loopback')
    return 'loopback: client and network talk over the loopback interface, nothing in between'
  const lossText = loss > 0 ? `, ${loss * 100} % of segments lost, each a stall of ${stallMs} ms` : ''
  return `${name}: ${delayMs} ms each way${jitterMs ? ` and up to ${jitterMs} ms more` : ''}, ${upMbit} Mbit/s up and ${downMbit} Mbit/s down shared by all connections${lossText}`
}
