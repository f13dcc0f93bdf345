import type { IConfiguration, IForbiddenRuleType } from 'dependency-cruiser'

/** Rooms of each layer, lowest first. A room imports from lower layers only. */
const LAYERS = [
  ['crypto'],
  ['identity', 'fragment', 'custody'],
  ['wire'],
  ['net', 'dht', 'chain-anchor', 'local'],
  ['storage-node', 'guardian-node', 'anchor-node', 'light-node'],
  ['sdk'],
  ['cli'],
] as const

const LOBBY = '^src/[^/]+\\.ts$'
const within = (rooms: readonly string[]) => `^src/(${rooms.join('|')})/`
const npm = (...names: string[]) => `node_modules/(${names.join('|')})/`
const NODE_BUILTIN: Side = { dependencyTypes: ['core'] }

interface Side {
  path?: string
  pathNot?: string
  circular?: boolean
  couldNotResolve?: boolean
  dependencyTypes?: 'core'[]
}

const forbid = (name: string, from: Side, to: Side): IForbiddenRuleType => ({
  name,
  severity: 'error',
  from,
  to,
})

const door = (library: string, packages: string, rooms: string) =>
  forbid(`door-${library}`, { path: '^src/', pathNot: `^src/(${rooms})` }, { path: packages })

const above = (index: number) => LAYERS.slice(index + 1).flat()

/** Everything a phone runs: nothing here reaches Node, except behind the import maps `#native` and `#post`. */
const BROWSER_SAFE =
  '^src/([^/]+\\.ts$|crypto/|fragment/|identity/|custody/|wire/|light-node/|chain-anchor/(codec|comet|light|app)/|chain-anchor/state/(smt|proof|ics23)\\.ts)'

/** The rules of the house; checked by layers.test.ts. */
export const rules: IConfiguration = {
  forbidden: [
    forbid('no-cycle', {}, { circular: true }),
    forbid('no-unresolvable', {}, { couldNotResolve: true }),
    forbid('src-looks-out', { path: '^src/' }, { path: '^(test|bench|bin|web|docs)/' }),
    forbid('lobby-looks-up', { path: LOBBY }, { path: '^src/[^/]+/' }),
    ...LAYERS.slice(0, -1).map((rooms, index) =>
      forbid(`${rooms[0]}-layer-looks-up`, { path: within(rooms) }, { path: within(above(index)) }),
    ),
    ...LAYERS.filter((rooms) => rooms.length > 1).map((rooms) =>
      forbid(
        `${rooms[0]}-layer-looks-sideways`,
        { path: within(rooms) },
        { path: within(rooms), pathNot: '^src/$1/' },
      ),
    ),
    forbid(
      'underscore-is-private',
      { path: '^src/([^/]+)/' },
      { path: '^src/.*/_[^/]+$', pathNot: '^src/$1/' },
    ),
    forbid(
      'browser-safe-without-node',
      { path: BROWSER_SAFE, pathNot: '(crypto/native|chain-anchor/light/post)\\.node\\.ts$' },
      NODE_BUILTIN,
    ),
    door('noble', npm('@noble', 'hpke', '@panva', 'shamir-secret-sharing', '@napi-rs'), 'crypto/'),
    door(
      'libp2p',
      npm('libp2p', '@libp2p', '@multiformats', 'datastore-core', 'interface-datastore', 'uint8arraylist'),
      '(net|dht)/',
    ),
    door('multiformats', npm('multiformats'), '(ids\\.ts|net/|dht/)'),
    door('cborg', npm('cborg'), 'cbor\\.ts'),
    door('zod', npm('zod'), 'schema\\.ts'),
    door(
      'sqlite',
      npm('better-sqlite3'),
      '(storage-node/disk/|chain-anchor/(state|engine)/|guardian-node/|local/)',
    ),
    door('commander', npm('commander'), 'cli/'),
    door('node-crypto', '^(node:)?crypto$', 'crypto/native\\.node\\.ts'),
    door(
      'disk',
      '^(node:)?fs(/promises)?$',
      '(storage-node/|chain-anchor/(state|engine)/|guardian-node/|anchor-node/|local/|sdk/|cli/)',
    ),
  ],
}
