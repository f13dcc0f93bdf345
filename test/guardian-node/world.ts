import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { utf8 } from '../../src/bytes.ts'
import {
  custodyKey as custodyKeyOf,
  guardianKey,
  identityKey,
  recordKey,
} from '../../src/chain-anchor/app/keys.ts'
import {
  custodyValue,
  type GuardianValue,
  guardianValue,
  identityValue,
  type RecordValue,
  recordValue,
} from '../../src/chain-anchor/app/values.ts'
import { sealEnvelope } from '../../src/crypto/envelope.ts'
import { deal } from '../../src/custody/deal.ts'
import { type HeldGrant, openingFor } from '../../src/custody/grant.ts'
import { REQUEST_INFO, requestFormat as releaseRequest } from '../../src/custody/release/request.ts'
import { XcareError } from '../../src/errors.ts'
import { type Guardian, openGuardian } from '../../src/guardian-node/guardian.ts'
import { type GuardianKeys, guardianKeysOf } from '../../src/guardian-node/keys.ts'
import type { GuardianEvent } from '../../src/guardian-node/parts.ts'
import {
  type IdentityKeys,
  identityOf,
  noticeKeyOf,
  noticeTagOf,
  ownerKeyOf,
  vaultKeyOf,
} from '../../src/identity/keypair.ts'
import { openVault, type Vault } from '../../src/identity/vault.ts'
import type { Did, NodeId } from '../../src/ids.ts'
import { depositShares } from '../../src/light-node/guardians/deposit.ts'
import { issueGrant } from '../../src/light-node/guardians/grant.ts'
import { CUSTODY_MESSAGE_BYTES_MAX } from '../../src/limits.ts'
import type { Broadcast, Random, Transport } from '../../src/ports.ts'
import {
  answerFrame,
  CUSTODY_PROTOCOL,
  type CustodyAnswer,
  requestFrame,
} from '../../src/wire/custody-protocol.ts'
import { memoryFolder, streamPair, TestChain, TestClock, testRandom, type ViewOptions } from './ports.ts'

export const NETWORK = 'xcare-test'
/** Height of the block that every custody record of these tests is in. */
export const ANCHORED = Promise.resolve(9)
const ASKER = '12D3KooWAsker' as NodeId

/** A guardian of the test network: its real process object, and switches for what goes wrong. */
export interface TestGuardian {
  keys: GuardianKeys
  guardian: Guardian
  view: ViewOptions
  down: boolean
  log: GuardianEvent[]
  /** Opens it again after `guardian.stop()`. */
  start(): void
  restart(): Promise<void>
}

/** A person of the test network. */
export interface TestPerson {
  did: Did
  root: Uint8Array
  keys: IdentityKeys
  vault: Vault
}

/** A chain, guardians and people, all in this process. */
export class World {
  readonly clock = new TestClock()
  readonly chain = new TestChain(NETWORK, this.clock)
  readonly random: Random
  readonly guardians: TestGuardian[] = []
  readonly notices: Uint8Array[] = []
  readonly #dir = mkdtempSync(join(tmpdir(), 'xcare-guardian-'))

  constructor(seed: string) {
    this.random = testRandom(seed)
  }

  static async open(seed: string, guardians = 4): Promise<World> {
    const world = new World(seed)
    for (let at = 0; at < guardians; at++) await world.#addGuardian(at)
    return world
  }

  async close(): Promise<void> {
    for (const { guardian } of this.guardians) await guardian.stop()
    rmSync(this.#dir, { recursive: true })
  }

  folderOf(at: number): string {
    return join(this.#dir, String(at))
  }

  /** What light-node recipes take. */
  ports(person: TestPerson) {
    return {
      network: NETWORK,
      ledger: this.chain.ledger(),
      transport: this.transport,
      clock: this.clock,
      random: this.random,
      did: person.did,
      root: person.root,
      vault: person.vault,
      signing: person.keys.signing,
      kem: person.keys.kem,
      noticeAddressOf: async (objectId: Uint8Array) => ({
        noticeKey: (await noticeKeyOf(person.root, objectId)).publicKey,
        noticeTag: noticeTagOf(person.root, objectId),
      }),
    }
  }

  readonly transport: Transport = {
    open: async ({ nodeId }) => {
      const found = this.guardians.find(({ keys }) => keys.guardianId === nodeId)
      if (!found || found.down) throw new XcareError('OFFLINE', `node ${nodeId} cannot be reached`)
      const [asker, server] = streamPair(ASKER, nodeId)
      found.guardian.serve(server).then(
        () => server.close(),
        (error: Error) => server.abort(error),
      )
      return asker
    },
  }

  guardianValues(): GuardianValue[] {
    return this.guardians.map(({ keys }) =>
      guardianValue.decode(this.chain.get(guardianKey(keys.guardianId))!),
    )
  }

  async person(name: string): Promise<TestPerson> {
    const root = testRandom(`root of ${name}`).bytes(32)
    const { did, keys } = await identityOf(root, NETWORK)
    const identity = { did, signKey: keys.signing.publicKey, kemKey: keys.kem.publicKey }
    this.chain.set(
      identityKey(did),
      identityValue.encode({ ...identity, nextKeysHash: new Uint8Array(32), seq: 0 }),
    )
    const vault = await openVault(memoryFolder(), vaultKeyOf(root), this.random)
    return { did, root, keys, vault }
  }

  /** Puts an object's key in custody: on the chain, and a share at each guardian. */
  async keep(owner: TestPerson, name: string, t = 3) {
    const objectId = this.random.bytes(32)
    const custodyKey = this.random.bytes(32)
    const ownerKey = ownerKeyOf(owner.root, objectId)
    const guardians = this.guardians.map(({ keys }) => keys.guardianId)
    const place = { objectId, version: 1, epoch: 1 }
    const dealt = await deal(
      { ...place, custodyKey, t, guardians, ownerKey: ownerKey.publicKey },
      this.random,
    )
    const terms = { ...dealt.terms, frozen: false, status: 'active' as const }
    this.chain.set(custodyKeyOf(objectId), custodyValue.encode(terms))
    this.anchor(objectId, ownerKey.publicKey)
    const deposited = await depositShares(this.ports(owner), dealt, this.guardianValues(), ownerKey, ANCHORED)
    const createdMs = this.clock.nowMs()
    const object = { objectId, version: 1, custodyKey, name, mediaType: 'text/plain', bytes: 5 }
    await owner.vault.add({ ...object, createdMs, kind: 'record' })
    return { objectId, custodyKey, ownerKey, dealt, custody: terms, deposited, name }
  }

  /** Puts the record of an object on the chain, as a put does beside its custody. */
  anchor(objectId: Uint8Array, ownerKey: Uint8Array, status: RecordValue['status'] = 'active'): void {
    const place = { objectId, version: 1, ownerKey, manifestHash: new Uint8Array(32) }
    const layout = { k: 1, n: 1, epoch: 1, columns: Uint8Array.of(1), moved: [] }
    this.chain.set(recordKey(objectId), recordValue.encode({ ...place, ...layout, status, height: 1 }))
  }

  /** Gives `reader` a grant of an object, on the chain and in hand. */
  async grant(owner: TestPerson, reader: TestPerson, object: { objectId: Uint8Array; name: string }) {
    const { did, keys } = reader
    const to = { did, signKey: keys.signing.publicKey, kemKey: keys.kem.publicKey }
    const wish = {
      to,
      objects: [object],
      purpose: 'TREAT' as const,
      untilMs: this.clock.nowMs() + 86_400_000,
    }
    return (await issueGrant(this.ports(owner), this.guardianValues(), wish)).held
  }

  /** @returns a good release request to guardian `at`, as a frame. */
  async releaseFrame(
    reader: TestPerson,
    held: HeldGrant,
    objectId: Uint8Array,
    at: number,
  ): Promise<Uint8Array> {
    const { guardianId, kem } = this.guardians[at]!.keys
    const request = releaseRequest.sign(reader.keys.signing, {
      ...{ v: 1, network: NETWORK, guardianId, objectId, ...openingFor(held, objectId) },
      ...{ granteeDid: reader.did, purpose: 'TREAT', nonce: this.random.bytes(32) },
      ...{ releaseId: this.random.bytes(16), timeMs: this.clock.nowMs() },
    })
    const sealed = await sealEnvelope(kem.publicKey, REQUEST_INFO, utf8(guardianId), request)
    return requestFrame.encode({ type: 'release', sealed })
  }

  /** Sends one frame to guardian `at`. */
  async ask(at: number, frame: Uint8Array): Promise<CustodyAnswer> {
    const stream = await this.transport.open(
      { nodeId: this.guardians[at]!.keys.guardianId, addresses: [] },
      CUSTODY_PROTOCOL,
      new AbortController().signal,
    )
    await stream.write(frame)
    const answer = await stream.read(CUSTODY_MESSAGE_BYTES_MAX, 1000)
    await stream.close()
    return answerFrame.decode(answer!)
  }

  async #addGuardian(at: number): Promise<void> {
    const keys = await guardianKeysOf(testRandom(`guardian ${at}`).bytes(32))
    this.chain.set(
      guardianKey(keys.guardianId),
      guardianValue.encode({
        ...{ guardianId: keys.guardianId, instId: `guardian-${at}`, signKey: keys.signing.publicKey },
        ...{ kemKey: keys.kem.publicKey, jurisdiction: 'north', addresses: [], epoch: 1, status: 'active' },
      }),
    )
    const view: TestGuardian['view'] = {}
    const log: GuardianEvent[] = []
    const start = () => {
      const { clock, random, chain } = this
      const options = {
        dir: this.folderOf(at),
        network: NETWORK,
        keys,
        clock,
        random,
        broadcast: this.#broadcast,
      }
      return openGuardian({ ...options, ledger: chain.ledger(view), log: (event) => log.push(event) })
    }
    const made: TestGuardian = {
      ...{ keys, view, log, guardian: start(), down: false },
      start() {
        made.guardian = start()
      },
      async restart() {
        await made.guardian.stop()
        made.start()
      },
    }
    this.guardians.push(made)
  }

  readonly #broadcast: Broadcast = {
    publish: async (_, payload) => this.notices.push(payload),
    subscribe: () => {},
  }
}
