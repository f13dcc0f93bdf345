import { mkdir } from 'node:fs/promises'
import { equalBytes } from '../bytes.ts'
import { guardianKey } from '../chain-anchor/app/keys.ts'
import { type GuardianValue, guardianValue } from '../chain-anchor/app/values.ts'
import { Members } from '../chain-anchor/light/members.ts'
import { relayNotices } from '../chain-anchor/light/relay.ts'
import { submitMessages } from '../chain-anchor/light/submit-messages.ts'
import type { SigningKey } from '../crypto/sign.ts'
import { NOTICE_TOPIC } from '../custody/notice.ts'
import type { ReleaseLimits } from '../custody/release/checks.ts'
import { asXcareError } from '../errors.ts'
import { DIAL_MS, GUARDIAN_STREAMS_MAX, HEADER_AGE_MS_MAX } from '../limits.ts'
import { type Peer, startPeer } from '../net/peer.ts'
import type { Clock, Ledger, PeerAddress, Random } from '../ports.ts'
import { CUSTODY_PROTOCOL } from '../wire/custody-protocol.ts'
import { type Guardian, openGuardian } from './guardian.ts'
import { type GuardianKeys, loadGuardianKeys } from './keys.ts'
import type { GuardianEvent } from './parts.ts'

const MEMBERS_MS = 15_000
const REGISTER_RETRY_MS = 3_000

/** How to run a guardian as this process. */
export interface StartGuardianOptions {
  /** Folder of this guardian: `keys/` and `data/` are made inside, mode 0700. */
  dir: string
  /** Chain id. */
  network: string
  /** The guardian's own light client. */
  ledger: Ledger
  /** The institution that answers for this guardian, and its key. */
  institution: { instId: string; signing: SigningKey }
  jurisdiction: string
  /** Multiaddrs to listen on; `announce` is told to others instead, when given. */
  listen: readonly string[]
  announce?: readonly string[]
  /** Peers through which notices travel. */
  neighbours?: readonly PeerAddress[]
  clock: Clock
  random: Random
  limits?: Partial<ReleaseLimits>
  log?: (event: GuardianEvent) => void
}

/** A running guardian. */
export interface RunningGuardian {
  readonly guardianId: string
  /** Multiaddrs without the peer id. */
  readonly addresses: string[]
  /** Whether the chain lists this guardian as it is now; false while the chain is away and it is tried again and again. */
  readonly registered: boolean
  stop(): Promise<void>
}

/**
 * Starts or continues the guardian in `dir`: keys, peer, registration on the chain, service.
 * @throws XcareError PORT_IN_USE, INTEGRITY on damaged files, REFUSED when the chain does not take the registration.
 */
export async function startGuardian(options: StartGuardianOptions): Promise<RunningGuardian> {
  await mkdir(options.dir, { recursive: true, mode: 0o700 })
  const keys = await loadGuardianKeys(options.dir, options.random)
  const members = new Members(options.ledger)
  const peer = await startPeer({
    seed: keys.peerSeed,
    standingOf: (id) => members.standingOf(id),
    listen: options.listen,
    ...(options.announce ? { announce: options.announce } : {}),
    topics: [NOTICE_TOPIC],
  })
  try {
    return await serve(options, keys, peer, members)
  } catch (error) {
    await peer.stop()
    throw error
  }
}

async function serve(
  options: StartGuardianOptions,
  keys: GuardianKeys,
  peer: Peer,
  members: Members,
): Promise<RunningGuardian> {
  const { network, ledger, clock, random, dir, limits, log } = options
  const guardian = openGuardian({
    ...{ dir, network, keys, ledger, clock, random },
    broadcast: peer.broadcast,
    ...(limits ? { limits } : {}),
    ...(log ? { log } : {}),
  })
  try {
    relayNotices(peer.broadcast, { network, members, clock })
    await peer.handle(CUSTODY_PROTOCOL, (stream) => guardian.serve(stream), {
      maxInboundStreams: GUARDIAN_STREAMS_MAX,
    })
    for (const neighbour of options.neighbours ?? [])
      void peer.connect(neighbour, AbortSignal.timeout(DIAL_MS)).catch(() => {})
    return await registerAndRun(options, keys, { peer, guardian, members })
  } catch (error) {
    await guardian.stop()
    throw error
  }
}

async function registerAndRun(
  options: StartGuardianOptions,
  keys: GuardianKeys,
  { peer, guardian, members }: { peer: Peer; guardian: Guardian; members: Members },
): Promise<RunningGuardian> {
  const stopping = new AbortController()
  let registered = false
  const attempt = async () => {
    await register(options, keys, peer.addresses())
    registered = true
  }
  const untilDone = async () => {
    while (!registered && !stopping.signal.aborted) {
      await options.clock.sleep(REGISTER_RETRY_MS, stopping.signal).catch(() => {})
      if (!stopping.signal.aborted) await attempt().catch(() => {})
    }
  }
  await attempt().catch((error: unknown) => {
    // A chain that is away for a moment must not keep a guardian from coming back.
    if (!asXcareError(error).retryable) throw error
  })
  const retrying = Promise.all([untilDone(), keepFresh(members, options.clock, stopping.signal)])
  return {
    guardianId: keys.guardianId,
    addresses: peer.addresses(),
    get registered() {
      return registered
    },
    async stop() {
      stopping.abort()
      await retrying
      await peer.stop()
      await guardian.stop()
    },
  }
}

/** Reads again and again whom the chain names; while it is away, who was known stays known. */
async function keepFresh(members: Members, clock: Clock, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await members.refresh().catch(() => {})
    await clock.sleep(MEMBERS_MS, signal).catch(() => {})
  }
}

/** Registers the guardian as it is now, when the chain lists it otherwise or not at all. */
async function register(
  options: StartGuardianOptions,
  keys: GuardianKeys,
  addresses: string[],
): Promise<void> {
  const { ledger, random, institution, jurisdiction } = options
  const { guardianId, signing, kem } = keys
  const { value } = await ledger.read(guardianKey(guardianId), HEADER_AGE_MS_MAX)
  const wanted = {
    ...{ guardianId, instId: institution.instId, signKey: signing.publicKey, kemKey: kem.publicKey },
    ...{ jurisdiction, addresses: [...addresses].sort() },
  }
  const listed = value && guardianValue.decode(value)
  // Whoever retired it must bring it back: a restart does not.
  if (listed && (listed.status === 'retired' || isListed(listed, wanted))) return
  const message = { type: 'guardian.register' as const, ...wanted }
  await submitMessages({ ledger, random }, [message], [institution.signing, signing])
}

function isListed(listed: GuardianValue, wanted: Omit<GuardianValue, 'epoch' | 'status'>): boolean {
  return (
    listed.instId === wanted.instId &&
    listed.jurisdiction === wanted.jurisdiction &&
    equalBytes(listed.kemKey, wanted.kemKey) &&
    listed.addresses.join() === wanted.addresses.join()
  )
}
