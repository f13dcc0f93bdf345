import { concat, u32be, utf8 } from '../../../src/bytes.ts'
import type { Message } from '../../../src/chain-anchor/app/messages.ts'
import { buildTx } from '../../../src/chain-anchor/app/tx.ts'
import { sha256 } from '../../../src/crypto/hash.ts'
import { type SigningKey, signingKeyFromSeed } from '../../../src/crypto/sign.ts'
import { boundId } from '../../../src/identity/bound-id.ts'
import { createInception, keysHash } from '../../../src/identity/inception.ts'
import { nodeIdOfKey } from '../../../src/ids.ts'

/** Name of the network in these tests. */
export const CHAIN_ID = 'xcare-test'

/** @returns `length` bytes that look random and are the same in every run. */
export function seeded(name: string, length = 32): Uint8Array {
  const parts: Uint8Array[] = []
  for (let at = 0; at * 32 < length; at++) parts.push(sha256(utf8(name), u32be(at)))
  return concat(...parts).slice(0, length)
}

/** @returns the signing key that belongs to `name`. */
export function key(name: string): SigningKey {
  return signingKeyFromSeed(seeded(`key ${name}`))
}

/** @returns the name of an object that `owner` made. */
export function objectOf(object: string, owner = 'owner'): Uint8Array {
  return boundId('object', seeded(`object ${object}`, 16), key(owner).publicKey)
}

/** @returns the name of a grant that belongs to the key `revoke NAME`. */
export function grantOf(name: string): Uint8Array {
  return boundId('grant', seeded(`grant ${name}`, 6), key(`revoke ${name}`).publicKey)
}

/** @returns a transaction of `messages`, signed by the keys named. `id` makes it one of its kind. */
export function tx(
  id: string,
  messages: Message[],
  signers: string[],
  changes: { chainId?: string; validUntilHeight?: number } = {},
): Uint8Array {
  return buildTx({
    chainId: CHAIN_ID,
    uniqueId: seeded(`id ${id}`, 16),
    validUntilHeight: 500,
    messages,
    signers: signers.map(key),
    ...changes,
  })
}

/** Messages of a small network. Institution `a` has key `inst a`, its node key `node a`, its guardian key `guardian a`. */
export const make = {
  institution: (name: string, roles: ('storage' | 'guardian')[] = ['storage', 'guardian']): Message => ({
    type: 'institution.register',
    instId: name,
    name: `Institution ${name}`,
    signKey: key(`inst ${name}`).publicKey,
    roles,
  }),
  node: (name: string, capacityBytes = 2 ** 33): Message => ({
    type: 'node.register',
    nodeId: nodeIdOfKey(key(`node ${name}`).publicKey),
    instId: name,
    signKey: key(`node ${name}`).publicKey,
    capacityBytes,
    network: `net-${name}`,
    region: 'north',
    addresses: ['/ip4/127.0.0.1/tcp/4001'],
    availabilityPpm: 990_000,
  }),
  guardian: (name: string, kem = 'kem 1'): Message => ({
    type: 'guardian.register',
    guardianId: nodeIdOfKey(key(`guardian ${name}`).publicKey),
    instId: name,
    signKey: key(`guardian ${name}`).publicKey,
    kemKey: seeded(`${kem} ${name}`, 1216),
    jurisdiction: 'north',
    addresses: ['/ip4/127.0.0.1/tcp/5001'],
  }),
  record: (object: string, owner: string, changes: object = {}): Message => ({
    type: 'record.anchor',
    objectId: objectOf(object),
    version: 1,
    ownerKey: key(owner).publicKey,
    manifestHash: seeded(`manifest ${object}`),
    k: 6,
    n: 12,
    epoch: 1,
    columns: Uint8Array.of(0xff, 0x0f),
    moved: [],
    ...changes,
  }),
  custody: (object: string, owner: string, guardians: string[], changes: object = {}): Message => ({
    type: 'custody.record',
    objectId: objectOf(object),
    version: 1,
    epoch: 1,
    t: 2,
    m: guardians.length,
    guardians: guardians.map((name) => nodeIdOfKey(key(`guardian ${name}`).publicKey)),
    commitRoot: seeded('commit root'),
    kcv: seeded('kcv'),
    policyHash: seeded('policy'),
    ownerKey: key(owner).publicKey,
    ...changes,
  }),
  grant: (name: string, changes: object = {}): Message => ({
    type: 'grant.create',
    grantId: grantOf(name),
    commitment: seeded(`commitment ${name}`),
    revokeKey: key(`revoke ${name}`).publicKey,
    notAfterMs: 2_000_000,
    ...changes,
  }),
  revoke: (name: string): Message => ({ type: 'grant.revoke', grantId: grantOf(name) }),
}

/** @returns an identity's first event, its identifier and the message that registers it. */
export function person(
  name: string,
  network = CHAIN_ID,
): { did: string; register: Message; rotate: (signer: string) => Message } {
  const kemKey = seeded(`kem ${name}`, 1216)
  const nextKem = seeded(`kem next ${name}`, 1216)
  const promised = keysHash(key(`next ${name}`).publicKey, nextKem)
  const { bytes, did } = createInception(network, key(name), kemKey, promised)
  return {
    did,
    register: { type: 'identity.register', did, inception: bytes },
    rotate: (signer) => ({
      type: 'identity.rotate',
      did,
      seq: 1,
      signKey: key(signer).publicKey,
      kemKey: nextKem,
      nextKeysHash: seeded('after next'),
    }),
  }
}
