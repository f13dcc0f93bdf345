import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { violationsIn } from './cruise.ts'
import { rules } from './layers.rules.ts'
import { type Planted, plantTree } from './planted-tree.ts'

/** A house in which everything is where it belongs; every door is used once. */
const SOUND: Planted = {
  'ids.ts': ['multiformats'],
  'cbor.ts': ['cborg'],
  'schema.ts': ['zod', './cbor.ts'],
  'crypto/sign.ts': ['@noble/curves', 'hpke', '@panva/hpke-noble', 'shamir-secret-sharing', '../ids.ts'],
  'crypto/native.node.ts': ['node:crypto', '@napi-rs/blake-hash'],
  'fragment/_rows.ts': ['../crypto/sign.ts'],
  'fragment/code.ts': ['./_rows.ts'],
  'identity/keys.ts': ['../crypto/sign.ts'],
  'custody/deal.ts': ['../crypto/sign.ts'],
  'wire/frames.ts': ['../fragment/code.ts', '../custody/deal.ts'],
  'net/peer.ts': ['libp2p', '@libp2p/tcp', '@multiformats/multiaddr', 'uint8arraylist', '../wire/frames.ts'],
  'dht/find.ts': ['datastore-core', 'interface-datastore', 'multiformats'],
  'chain-anchor/light/client.ts': ['type ../../wire/frames.ts'],
  'chain-anchor/engine/store.ts': ['better-sqlite3', 'node:fs', '../light/client.ts'],
  'local/lock.ts': ['better-sqlite3', 'node:fs'],
  'storage-node/disk/store.ts': ['better-sqlite3', 'node:fs', '../../local/lock.ts'],
  'storage-node/serve.ts': ['./disk/store.ts', '../net/peer.ts', '../chain-anchor/light/client.ts'],
  'guardian-node/start.ts': ['better-sqlite3', 'node:fs/promises', '../net/peer.ts'],
  'anchor-node/anchor.ts': ['../chain-anchor/engine/store.ts'],
  'light-node/put.ts': ['../fragment/code.ts', '../wire/frames.ts', '../chain-anchor/light/client.ts'],
  'sdk/open.ts': ['../light-node/put.ts', '../storage-node/serve.ts', 'node:fs'],
  'cli/main.ts': ['commander', '../sdk/open.ts', 'node:fs'],
}

/** One violation a file: what is planted, and the rule that must name it. */
const BROKEN: [rule: string, file: string, imports: string[]][] = [
  ['no-unresolvable', 'fragment/lost.ts', ['./nowhere.ts']],
  ['lobby-looks-up', 'bytes.ts', ['./crypto/sign.ts']],
  ['crypto-layer-looks-up', 'crypto/up.ts', ['type ../fragment/code.ts']],
  ['identity-layer-looks-up', 'custody/up.ts', ['../wire/frames.ts']],
  ['wire-layer-looks-up', 'wire/up.ts', ['../net/peer.ts']],
  ['net-layer-looks-up', 'dht/up.ts', ['../storage-node/serve.ts']],
  ['net-layer-looks-up', 'local/up.ts', ['../guardian-node/start.ts']],
  ['storage-node-layer-looks-up', 'light-node/up.ts', ['type ../sdk/open.ts']],
  ['sdk-layer-looks-up', 'sdk/up.ts', ['../cli/main.ts']],
  ['identity-layer-looks-sideways', 'custody/sideways.ts', ['type ../identity/keys.ts']],
  ['net-layer-looks-sideways', 'net/sideways.ts', ['../chain-anchor/light/client.ts']],
  ['net-layer-looks-sideways', 'local/sideways.ts', ['../net/peer.ts']],
  ['storage-node-layer-looks-sideways', 'guardian-node/sideways.ts', ['../storage-node/serve.ts']],
  ['underscore-is-private', 'custody/private.ts', ['../fragment/_rows.ts']],
  ['browser-safe-without-node', 'fragment/node.ts', ['node:path']],
  ['browser-safe-without-node', 'light-node/node.ts', ['type node:events']],
  ['browser-safe-without-node', 'chain-anchor/comet/node.ts', ['node:util']],
  ['browser-safe-without-node', 'chain-anchor/state/smt.ts', ['node:os']],
  ['browser-safe-without-node', 'limits.ts', ['node:os']],
  ['src-looks-out', 'fragment/out.ts', ['../../test/sample.ts']],
  ['door-noble', 'custody/noble.ts', ['@noble/curves']],
  ['door-noble', 'light-node/hpke.ts', ['hpke']],
  ['door-noble', 'fragment/shamir.ts', ['shamir-secret-sharing']],
  ['door-noble', 'storage-node/blake.ts', ['@napi-rs/blake-hash']],
  ['door-libp2p', 'light-node/peer.ts', ['libp2p']],
  ['door-libp2p', 'wire/address.ts', ['type @multiformats/multiaddr']],
  ['door-libp2p', 'sdk/tcp.ts', ['@libp2p/tcp']],
  ['door-libp2p', 'storage-node/lists.ts', ['uint8arraylist']],
  ['door-multiformats', 'fragment/cid.ts', ['multiformats']],
  ['door-cborg', 'wire/cbor.ts', ['cborg']],
  ['door-zod', 'custody/zod.ts', ['zod']],
  ['door-sqlite', 'storage-node/index.ts', ['better-sqlite3']],
  ['door-sqlite', 'chain-anchor/rpc/rows.ts', ['better-sqlite3']],
  ['door-commander', 'sdk/words.ts', ['commander']],
  ['door-node-crypto', 'storage-node/hash.ts', ['node:crypto']],
  ['door-disk', 'net/keys.ts', ['node:fs']],
  ['door-disk', 'dht/keys.ts', ['node:fs/promises']],
]

/** Circles, whole and of types alone; every member is named by the rule. */
const CIRCLES: Planted = {
  'fragment/a.ts': ['./b.ts'],
  'fragment/b.ts': ['./a.ts'],
  'custody/a.ts': ['type ./b.ts'],
  'custody/b.ts': ['type ./a.ts'],
}

describe('the rules of the house can fail', () => {
  let sound: string
  let broken: string
  let found: string[]

  beforeAll(async () => {
    // Resolved paths have no links in them, so the planted tree must not lie behind one either.
    const scratch = realpathSync(tmpdir())
    sound = mkdtempSync(join(scratch, 'xcare-house-'))
    broken = mkdtempSync(join(scratch, 'xcare-house-'))
    plantTree(sound, SOUND)
    const planted = Object.fromEntries(BROKEN.map(([, file, imports]) => [file, imports]))
    plantTree(broken, { ...SOUND, ...planted, ...CIRCLES, '../test/sample.ts': [] })
    found = (await violationsIn(broken)).violations
  })

  afterAll(() => {
    for (const folder of [sound, broken]) rmSync(folder, { recursive: true, force: true })
  })

  test('a sound house is sound', async () => {
    const { files, violations } = await violationsIn(sound)
    expect(violations).toEqual([])
    expect(files).toBeGreaterThanOrEqual(Object.keys(SOUND).length)
  })

  test.each(BROKEN)('%s is reported in %s', (rule, file) => {
    expect(found.filter((line) => line.startsWith(`${rule}: src/${file} -> `))).toHaveLength(1)
  })

  test.each(Object.keys(CIRCLES))('the circle through %s is reported', (file) => {
    expect(found.some((line) => line.startsWith('no-cycle: ') && line.includes(`src/${file}`))).toBe(true)
  })

  test('nothing but what was planted is reported', () => {
    const planted = [...BROKEN.map(([, file]) => file), ...Object.keys(CIRCLES)].map((file) => `src/${file}`)
    expect(found.filter((line) => !planted.some((file) => line.includes(`: ${file} -> `)))).toEqual([])
  })

  test('every rule was broken once', () => {
    const names = rules.forbidden!.map(({ name }) => name)
    expect(names.filter((name) => !found.some((line) => line.startsWith(`${name}: `)))).toEqual([])
  })
})
