import { beforeEach, describe, expect, test } from 'vitest'
import { concat } from '../../../src/bytes.ts'
import { decodeCbor } from '../../../src/cbor.ts'
import * as keys from '../../../src/chain-anchor/app/keys.ts'
import type { Message } from '../../../src/chain-anchor/app/messages.ts'
import * as values from '../../../src/chain-anchor/app/values.ts'
import { sha256 } from '../../../src/crypto/hash.ts'
import { firstLink, nextLink } from '../../../src/custody/release/receipt.ts'
import { nodeIdOfKey } from '../../../src/ids.ts'
import { CHAIN_ID, grantOf, key, make, objectOf, person, seeded, tx } from './chain-actors.ts'
import { TestChain } from './memory-state.ts'

let chain: TestChain
let count = 0
const say = (messages: Message | Message[], ...signers: string[]): string =>
  chain.block(tx(`rule ${++count}`, [messages].flat(), signers))[0]
const read = <T>(at: Uint8Array, codec: { decode(bytes: Uint8Array): T }): T => {
  const bytes = chain.state.get(at)
  if (!bytes) throw new Error('nothing is there')
  return codec.decode(bytes)
}

beforeEach(() => {
  chain = new TestChain()
  for (const name of ['a', 'b', 'c']) {
    expect(say(make.institution(name), 'governor')).toBe('ok')
    expect(say(make.guardian(name), `inst ${name}`, `guardian ${name}`)).toBe('ok')
  }
})

describe('institutions', () => {
  test('only a governor admits, updates and suspends them', () => {
    expect(say(make.institution('x'), 'stranger')).toMatch(/Only a governor/)
    expect(say({ type: 'institution.suspend', instId: 'a', suspended: true }, 'inst a')).toMatch(
      /Only a governor/,
    )
    expect(say({ type: 'institution.suspend', instId: 'nobody', suspended: true }, 'governor')).toMatch(
      /no institution/,
    )
    expect(say({ type: 'institution.suspend', instId: 'a', suspended: true }, 'governor')).toBe('ok')
    expect(say(make.institution('a'), 'governor')).toBe('ok')
    expect(read(keys.institutionKey('a'), values.institutionValue).status).toBe('suspended')
    expect(say(make.node('a'), 'inst a', 'node a')).toMatch(/suspended/)
  })

  test('no role is listed twice', () => {
    expect(say({ ...make.institution('x'), roles: ['storage', 'storage'] } as Message, 'governor')).toMatch(
      /role twice/,
    )
  })
})

describe('storage nodes', () => {
  test('institution and node both sign, and the id follows from the key', () => {
    expect(say(make.node('a'), 'inst a')).toMatch(/node has not signed/)
    expect(say(make.node('a'), 'node a')).toMatch(/institution "a" has not signed/)
    expect(say(make.node('a'), 'inst b', 'node a')).toMatch(/institution "a" has not signed/)
    const other = { ...make.node('a'), nodeId: nodeIdOfKey(key('node b').publicKey) } as Message
    expect(say(other, 'inst a', 'node a')).toMatch(/does not follow from its key/)
    expect(say({ ...make.node('a'), addresses: ['127.0.0.1'] } as Message, 'inst a', 'node a')).toMatch(
      /multiaddr/,
    )
    expect(say(make.node('a'), 'inst a', 'node a')).toBe('ok')
  })

  test('an institution without the role registers none', () => {
    expect(say(make.institution('g', ['guardian']), 'governor')).toBe('ok')
    expect(say(make.node('g'), 'inst g', 'node g')).toMatch(/does not have the role "storage"/)
    expect(say(make.node('nobody'), 'inst a', 'node nobody')).toMatch(/no institution "nobody"/)
  })

  test('a node or its institution retires it, nobody else, and once', () => {
    const nodeId = nodeIdOfKey(key('node a').publicKey)
    const retire: Message = { type: 'node.retire', nodeId, status: 'retired' }
    expect(say(retire, 'node a')).toMatch(/no node/)
    expect(say(make.node('a'), 'inst a', 'node a')).toBe('ok')
    expect(say(retire, 'inst b')).toMatch(/Only a node or its institution/)
    expect(say({ ...retire, status: 'draining' } as Message, 'node a')).toBe('ok')
    expect(say(retire, 'inst a')).toBe('ok')
    expect(say(retire, 'inst a')).toMatch(/retired already/)
  })
})

describe('guardians', () => {
  const guardianId = nodeIdOfKey(key('guardian a').publicKey)

  test('a new encryption key starts a new epoch, the same one does not', () => {
    const epoch = () => read(keys.guardianKey(guardianId), values.guardianValue).epoch
    expect(say(make.guardian('a'), 'inst a', 'guardian a')).toBe('ok')
    expect(epoch()).toBe(1)
    expect(say(make.guardian('a', 'kem 2'), 'inst a', 'guardian a')).toBe('ok')
    expect(epoch()).toBe(2)
  })

  test('a guardian never moves to another institution', () => {
    expect(say({ ...make.guardian('a'), instId: 'b' } as Message, 'inst b', 'guardian a')).toMatch(
      /stays with/,
    )
    expect(say({ type: 'guardian.retire', guardianId }, 'inst b')).toMatch(/Only a guardian/)
    expect(say({ type: 'guardian.retire', guardianId }, 'inst a')).toBe('ok')
    expect(say({ type: 'guardian.retire', guardianId }, 'inst a')).toMatch(/retired already/)
  })

  test('receipts only continue what is anchored, by the guardian itself: no two chains can be shown', () => {
    const start = firstLink(CHAIN_ID, guardianId)
    const hashes = (...names: string[]) => names.map((name) => seeded(`receipt ${name}`))
    const linkAfter = (link: Uint8Array, names: string[]) => hashes(...names).reduce(nextLink, link)
    const extend = (
      from: number,
      link: Uint8Array,
      names: string[],
      head = linkAfter(link, names),
    ): Message => ({
      type: 'receipt.extend',
      guardianId,
      from,
      hashes: concat(...hashes(...names)),
      head,
    })
    const anchored = () => read(keys.receiptKey(guardianId), values.receiptHeadValue)
    expect(say(extend(0, start, ['a', 'b']), 'inst a')).toMatch(/Only the guardian/)
    expect(say(extend(1, start, ['a']), 'guardian a')).toMatch(/0 receipts of this guardian are anchored/)
    expect(say(extend(0, seeded('elsewhere'), ['a']), 'guardian a')).toMatch(/do not continue/)
    expect(say(extend(0, start, ['a', 'b']), 'guardian a')).toBe('ok')
    const two = linkAfter(start, ['a', 'b'])
    expect(anchored()).toEqual({ guardianId, seq: 2, count: 2, head: two })
    // A shorter chain, another chain as long, another chain that is longer.
    expect(say(extend(0, start, ['a']), 'guardian a')).toMatch(/2 receipts of this guardian are anchored/)
    expect(say(extend(0, start, ['x', 'y', 'z']), 'guardian a')).toMatch(/2 receipts/)
    expect(say(extend(2, linkAfter(start, ['x', 'y']), ['z']), 'guardian a')).toMatch(/do not continue/)
    expect(say(extend(2, two, ['c'], seeded('head of choice')), 'guardian a')).toMatch(/do not continue/)
    expect(say(extend(2, two, ['c']), 'guardian a')).toBe('ok')
    expect(anchored()).toMatchObject({ count: 3, head: linkAfter(two, ['c']) })
  })

  test('the message that anchored any head and any count counts no more', () => {
    const batch: Message = { type: 'receipt.batch', guardianId, seq: 3, head: seeded('head'), count: 1 }
    expect(say(batch, 'guardian a')).toMatch(/earlier version/)
    // A block of the first rules gives what it gave when it was made.
    chain.rules = 1
    expect(say(batch, 'guardian a')).toBe('ok')
    expect(say(batch, 'guardian a')).toMatch(/up to number 3 already/)
  })
})

describe('identities', () => {
  test('an identity follows from its inception, once, signed by its first key, for this network', () => {
    const ana = person('ana')
    expect(say(ana.register, 'stranger')).toMatch(/first key/)
    expect(say({ ...ana.register, did: person('ben').did } as Message, 'ana')).toMatch(/does not follow/)
    expect(say({ ...ana.register, inception: seeded('noise', 200) } as Message, 'ana')).toMatch(
      /does not follow/,
    )
    expect(say(person('ana', 'other-net').register, 'ana')).toMatch(/another network/)
    expect(say(ana.register, 'ana')).toBe('ok')
    expect(say(ana.register, 'ana')).toMatch(/registered already/)
  })

  test('only the promised keys replace the first ones', () => {
    const ana = person('ana')
    expect(say(ana.rotate('next ana'), 'next ana')).toMatch(/no such identity/)
    expect(say(ana.register, 'ana')).toBe('ok')
    expect(say(ana.rotate('thief'), 'thief', 'ana')).toMatch(/not the keys/)
    expect(say(ana.rotate('next ana'), 'ana')).toMatch(/new key has not signed/)
    expect(say({ ...ana.rotate('next ana'), seq: 2 } as Message, 'next ana')).toMatch(/has number 1/)
    expect(say(ana.rotate('next ana'), 'next ana')).toBe('ok')
    expect(say(ana.rotate('next ana'), 'next ana')).toMatch(/has number 2/)
    expect(read(keys.identityKey(ana.did), values.identityValue)).toMatchObject({
      seq: 1,
      signKey: key('next ana').publicKey,
    })
  })
})

describe('records', () => {
  test('versions go up by one under one owner', () => {
    expect(say(make.record('o', 'owner'), 'stranger')).toMatch(/owner has not signed/)
    expect(say(make.record('o', 'owner', { version: 2 }), 'owner')).toMatch(
      /next version of this record is 1/,
    )
    expect(say(make.record('o', 'owner'), 'owner')).toBe('ok')
    expect(say(make.record('o', 'owner'), 'owner')).toMatch(/is 2, not 1/)
    expect(say(make.record('o', 'owner', { version: 3 }), 'owner')).toMatch(/is 2, not 3/)
    expect(say(make.record('o', 'thief', { version: 2 }), 'thief')).toMatch(/another owner/)
    expect(say(make.record('o', 'owner', { version: 2 }), 'owner')).toBe('ok')
  })

  test('what cannot be read back is not anchored', () => {
    const refused = (changes: object) => say(make.record('o', 'owner', changes), 'owner')
    expect(refused({ columns: Uint8Array.of(0x1f, 0) })).toMatch(/Only 5 columns/)
    expect(refused({ columns: Uint8Array.of(0xff) })).toMatch(/wrong length/)
    expect(refused({ columns: Uint8Array.of(0xff, 0x1f) })).toMatch(/do not exist/)
    expect(refused({ k: 13 })).toMatch(/above its number/)
    expect(refused({ epoch: 99 })).toMatch(/no epoch 99/)
  })

  test('moved columns are sorted, stored, and lie on known nodes', () => {
    expect(say(make.node('a'), 'inst a', 'node a')).toBe('ok')
    const nodeId = nodeIdOfKey(key('node a').publicKey)
    const anchor = (moved: { column: number; nodeId: string }[]) =>
      say(make.record('o', 'owner', { moved }), 'owner')
    expect(anchor([{ column: 1, nodeId: nodeIdOfKey(key('node z').publicKey) }])).toMatch(/no node/)
    expect(anchor([{ column: 12, nodeId }])).toMatch(/not sorted, repeated or not stored/)
    expect(
      anchor([
        { column: 3, nodeId },
        { column: 3, nodeId },
      ]),
    ).toMatch(/not sorted/)
    expect(
      anchor([
        { column: 1, nodeId },
        { column: 11, nodeId },
      ]),
    ).toBe('ok')
  })

  test('a removed record stays removed', () => {
    const remove: Message = { type: 'record.remove', objectId: objectOf('o') }
    expect(say(remove, 'owner')).toMatch(/no such record/)
    expect(say(make.record('o', 'owner'), 'owner')).toBe('ok')
    expect(say(remove, 'thief')).toMatch(/Only the owner/)
    expect(say(remove, 'owner')).toBe('ok')
    expect(say(remove, 'owner')).toMatch(/removed already/)
    expect(say(make.record('o', 'owner', { version: 2 }), 'owner')).toMatch(/was removed/)
  })
})

describe('names', () => {
  const thief = (message: Message) => ({ ...message, ownerKey: key('thief').publicKey }) as Message

  test('who sees the name of an object before it is anchored cannot take it, neither as record nor as custody', () => {
    expect(say(thief(make.record('o', 'owner')), 'thief')).toMatch(/does not follow from the key/)
    expect(say(thief(make.custody('o', 'owner', ['a', 'b'])), 'thief')).toMatch(/does not follow/)
    expect(say(make.record('o', 'owner'), 'owner')).toBe('ok')
    expect(say(make.custody('o', 'owner', ['a', 'b']), 'owner')).toBe('ok')
  })

  test('nor the name of a grant', () => {
    expect(say(make.grant('g', { revokeKey: key('thief').publicKey }), 'thief')).toMatch(/does not follow/)
    expect(say(make.grant('g'), 'revoke g')).toBe('ok')
  })

  test('a name of chance that is on the chain since the first rules keeps its owner', () => {
    const objectId = seeded('unbound')
    const anchor = make.record('o', 'owner', { objectId })
    expect(say(anchor, 'owner')).toMatch(/does not follow/)
    chain.rules = 1
    expect(say(anchor, 'owner')).toBe('ok')
    chain.rules = 2
    expect(say(make.custody('o', 'owner', ['a', 'b'], { objectId }), 'owner')).toBe('ok')
    expect(say(make.record('o', 'owner', { objectId, version: 2 }), 'owner')).toBe('ok')
    expect(say(make.record('o', 'thief', { objectId, version: 3 }), 'thief')).toMatch(/another owner/)
  })
})

describe('custody', () => {
  const all = ['a', 'b', 'c']

  test('guardians exist, are active and of different institutions; one alone is never enough', () => {
    const refused = (changes: object) => say(make.custody('o', 'owner', all, changes), 'owner')
    expect(say(make.custody('o', 'owner', all), 'stranger')).toMatch(/owner has not signed/)
    expect(refused({ t: 1 })).toMatch(/at least two/)
    expect(refused({ t: 4 })).toMatch(/More guardians/)
    expect(refused({ m: 4 })).toMatch(/not the one stated/)
    expect(say(make.custody('o', 'owner', ['a', 'z']), 'owner')).toMatch(/no guardian/)
    expect(say(make.custody('o', 'owner', ['a', 'b', 'a']), 'owner')).toMatch(/one institution/)
    expect(
      say({ type: 'guardian.retire', guardianId: nodeIdOfKey(key('guardian c').publicKey) }, 'inst c'),
    ).toBe('ok')
    expect(refused({})).toMatch(/is retired/)
    expect(say(make.custody('o', 'owner', ['a', 'b']), 'owner')).toBe('ok')
  })

  test('the custody epoch goes up, the owner stays', () => {
    expect(say(make.custody('o', 'owner', all), 'owner')).toBe('ok')
    expect(say(make.custody('o', 'owner', all), 'owner')).toMatch(/must be above 1/)
    expect(say(make.custody('o', 'thief', all, { epoch: 2 }), 'thief')).toMatch(/another owner/)
    expect(say(make.record('o', 'thief'), 'thief')).toMatch(/another owner/)
    expect(say(make.custody('o', 'owner', all, { epoch: 5, version: 2 }), 'owner')).toBe('ok')
    expect(say(make.custody('o', 'owner', all, { epoch: 6, version: 1 }), 'owner')).toMatch(
      /for version 2 already/,
    )
  })

  test('nobody takes custody of a record that has an owner', () => {
    expect(say(make.record('o', 'owner'), 'owner')).toBe('ok')
    expect(say(make.custody('o', 'thief', all), 'thief')).toMatch(/another owner/)
  })

  test('the owner freezes, and destroys for good; neither changes the hash guardians commit to', () => {
    const objectId = objectOf('o')
    const value = () => read(keys.custodyKey(objectId), values.custodyValue)
    const freeze: Message = { type: 'custody.freeze', objectId, frozen: true }
    expect(say(freeze, 'owner')).toMatch(/no custody record/)
    expect(say(make.custody('o', 'owner', all), 'owner')).toBe('ok')
    const before = values.custodyRecordHash(value())
    expect(say(freeze, 'thief')).toMatch(/Only the owner/)
    expect(say(freeze, 'owner')).toBe('ok')
    expect(say(make.custody('o', 'owner', all, { epoch: 2 }), 'owner')).toBe('ok')
    expect(value().frozen).toBe(true)
    expect(values.custodyRecordHash({ ...value(), epoch: 1 })).toEqual(before)
    expect(say({ type: 'custody.destroy', objectId }, 'owner')).toBe('ok')
    expect(say({ ...freeze, frozen: false }, 'owner')).toMatch(/was destroyed/)
    expect(say(make.custody('o', 'owner', all, { epoch: 3 }), 'owner')).toMatch(/was destroyed/)
  })
})

describe('grants', () => {
  test('only the revoke key makes and revokes a grant', () => {
    expect(say(make.grant('g'), 'owner')).toMatch(/revoke key has not signed/)
    expect(say(make.revoke('g'), 'revoke g')).toMatch(/no such grant/)
    expect(say(make.grant('g'), 'revoke g')).toBe('ok')
    expect(say(make.revoke('g'), 'owner', 'governor')).toMatch(/Only the revoke key/)
    expect(say(make.revoke('g'), 'revoke g')).toBe('ok')
    expect(read(keys.grantKey(grantOf('g')), values.grantValue).status).toBe('revoked')
  })

  test('a revoked grant never comes back, and revoking again is harmless', () => {
    expect(say(make.grant('g'), 'revoke g')).toBe('ok')
    expect(say(make.revoke('g'), 'revoke g')).toBe('ok')
    const revoked = chain.state.get(keys.grantKey(grantOf('g')))
    expect(say(make.revoke('g'), 'revoke g')).toBe('ok')
    expect(say(make.grant('g', { notAfterMs: 9_000_000 }), 'revoke g')).toMatch(/exists already/)
    expect(chain.state.get(keys.grantKey(grantOf('g')))).toEqual(revoked)
  })

  test('a grant that has ended cannot begin; one that ends later stays readable', () => {
    expect(say(make.grant('g', { notAfterMs: chain.timeMs }), 'revoke g')).toMatch(/ended before it began/)
    expect(say(make.grant('g', { notAfterMs: chain.timeMs + 1 }), 'revoke g')).toBe('ok')
    chain.timeMs += 1000
    chain.block()
    expect(read(keys.grantKey(grantOf('g')), values.grantValue).status).toBe('active')
  })
})

describe('epochs', () => {
  const latest = () => read(keys.latestEpochKey(), values.epochValue)

  test('a changed node set makes a new epoch whose hashes open to nodes, guardians and slot table', () => {
    const before = latest().epoch
    expect(
      chain.block(
        tx('two', [make.node('a'), make.node('b', 2 ** 32)], ['inst a', 'inst b', 'node a', 'node b']),
      ),
    ).toEqual(['ok'])
    const epoch = latest()
    expect(epoch).toMatchObject({ epoch: before + 1, height: chain.height, nodeCount: 2 })
    expect(read(keys.epochKey(epoch.epoch), values.epochValue)).toEqual(epoch)
    const blobs = [epoch.nodesHash, epoch.guardiansHash, epoch.tableHash].map(
      (hash) => chain.state.blob(hash)!,
    )
    expect(blobs.map((bytes) => sha256(bytes))).toEqual([
      epoch.nodesHash,
      epoch.guardiansHash,
      epoch.tableHash,
    ])
    const nodes = decodeCbor(blobs[0]) as values.NodeValue[]
    expect(nodes.map(({ nodeId }) => nodeId)).toEqual([...nodes.map(({ nodeId }) => nodeId)].sort())
    expect(decodeCbor(blobs[1])).toHaveLength(3)
    const table = new Uint16Array(blobs[2].slice().buffer)
    const share = table.filter((node) => nodes[node].instId === 'a').length / table.length
    expect(share).toBeCloseTo(2 / 3, 3)
  })

  test('blocks that change neither nodes nor guardians make none', () => {
    const before = latest().epoch
    say(make.grant('g'), 'revoke g')
    say(make.guardian('a'), 'inst a', 'guardian a')
    expect(latest().epoch).toBe(before)
  })

  test('suspending an institution takes its nodes and guardians out', () => {
    say(make.node('a'), 'inst a', 'node a')
    expect(latest().nodeCount).toBe(1)
    say({ type: 'institution.suspend', instId: 'a', suspended: true }, 'governor')
    expect(latest().nodeCount).toBe(0)
    expect(decodeCbor(chain.state.blob(latest().guardiansHash)!)).toHaveLength(2)
  })

  test('epochs keep their distance: a change that comes too early waits', () => {
    chain = new TestChain(undefined, 3)
    say(make.institution('a'), 'governor')
    expect(latest()).toMatchObject({ epoch: 1, height: 1 })
    say(make.node('a'), 'inst a', 'node a')
    expect(latest().epoch).toBe(1)
    chain.block()
    expect(latest().epoch).toBe(1)
    chain.block()
    expect(latest()).toMatchObject({ epoch: 2, height: 4, nodeCount: 1 })
    expect(CHAIN_ID).toBe('xcare-test')
  })
})
