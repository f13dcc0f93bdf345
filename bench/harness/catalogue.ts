/** What a system does and does not do, so that a rate can be judged. */
export interface Facts {
  /** Who can read what is stored. */
  encryption: string
  /** What may be lost without losing the content. */
  redundancy: string
  /** What has happened when a put is answered. */
  acknowledgement: string
  /** What is checked when bytes come back. */
  verification: string
  /** Where the bytes go in a put and a get. */
  path: string
}

/** A system and how the harness runs it. */
export interface SystemEntry {
  id: string
  name: string
  /** Program under `bench`, and its variants: each is a row of the table. */
  program: string
  variants: string[]
  /** Tools it needs beside the packages of `bench`; see install.ts. */
  needs: Tool[]
  /** The reader is the same program in a second process and ends with a copy of its own. */
  hasOwnReader: boolean
  /** Whether a put ends on the machine (or process) it began in; the get is then the first transfer. */
  isPutLocal: boolean
  /** How many small records are put and got at most, for systems that take long for each. */
  recordsMax?: number
  /** Works also when nobody asks: its processes are stopped while others have their turn. */
  isNeverIdle?: boolean
  facts: Facts
}

/** What can be installed for the bench. */
export type Tool = 'packages' | 'kubo' | 'minio' | 'python' | 'isal'

const MINIO_SYNC =
  'all shards and their metadata written and synced (large shards past the page cache), on seven of twelve at least; renames and folders not synced'
const REPLICA = 'none; every reader ends with a full copy'

/** Every system the bench knows. Order is the order of the table. */
export const SYSTEMS: SystemEntry[] = [
  {
    id: 'xcare',
    name: 'XCARE',
    program: 'systems/xcare.ts',
    variants: ['6/12', '20/40'],
    needs: [],
    hasOwnReader: false,
    isPutLocal: false,
    facts: {
      encryption: 'end to end; key shared among four guardians, three must agree',
      redundancy: 'any k of n fragments on twelve nodes',
      acknowledgement:
        'fragments durable (fsync) on the profile’s target of nodes, key shares with guardians, object anchored on the chain',
      verification: 'every fragment against the anchored manifest, then AEAD',
      path: 'client encrypts, codes and sends to twelve node processes over TLS; the get fetches from them',
    },
  },
  {
    id: 'helia',
    name: 'Helia',
    program: 'systems/helia.mjs',
    variants: [''],
    needs: ['packages'],
    hasOwnReader: true,
    isPutLocal: true,
    facts: {
      encryption: 'none at rest; noise on the wire',
      redundancy: REPLICA,
      acknowledgement: 'blocks written to files, renamed, not synced; the store offers no fsync',
      verification: 'SHA-256 of every block',
      path: 'put: local files. get: a second process fetches by bitswap over libp2p TCP and keeps the blocks',
    },
  },
  {
    id: 'hypercore',
    name: 'Hypercore',
    program: 'systems/hypercore.mjs',
    variants: [''],
    needs: ['packages'],
    hasOwnReader: true,
    isPutLocal: true,
    facts: {
      encryption: 'none at rest here (a block key is optional); noise on the wire',
      redundancy: REPLICA,
      acknowledgement: 'written through RocksDB, write-ahead log not synced',
      verification: 'signed BLAKE2b Merkle tree',
      path: 'put: local log. get: a second process replicates the log over TCP and keeps it',
    },
  },
  {
    id: 'kubo',
    name: 'Kubo',
    program: 'systems/kubo.ts',
    variants: [''],
    needs: ['kubo'],
    hasOwnReader: false,
    isPutLocal: true,
    facts: {
      encryption: 'none at rest; TLS or noise on the wire',
      redundancy: REPLICA,
      acknowledgement: 'blocks written to files, not synced (`sync: false`, as a new repository is set)',
      verification: 'SHA-256 of every block',
      path: 'put: HTTP to a daemon, which stores. get: HTTP from a second daemon, which fetches by bitswap and keeps the blocks',
    },
  },
  {
    id: 'tahoe',
    name: 'Tahoe-LAFS',
    program: 'systems/tahoe.ts',
    variants: ['6/12', '3/10'],
    needs: ['python'],
    recordsMax: 50,
    // Its twelve servers look through their shares all the time: half a core.
    isNeverIdle: true,
    hasOwnReader: false,
    isPutLocal: false,
    facts: {
      encryption: 'end to end; the key is in the capability',
      redundancy: 'any k of n shares on twelve servers',
      acknowledgement: 'shares written on n servers, not synced',
      verification: 'hash trees over blocks, shares and ciphertext',
      path: 'HTTP to a gateway, which encrypts, codes and sends to twelve server processes over TLS; the get fetches from them',
    },
  },
  {
    id: 'minio',
    name: 'MinIO, one process',
    program: 'systems/minio.ts',
    variants: ['6/12'],
    needs: ['minio'],
    hasOwnReader: false,
    isPutLocal: false,
    facts: {
      encryption: 'off here, at rest and on the wire',
      redundancy: 'any k of n shards in twelve folders of one server',
      acknowledgement: MINIO_SYNC,
      verification: 'HighwayHash of every shard block',
      path: 'HTTP (S3) to one server process, which codes and writes; no network between the drives',
    },
  },
  {
    id: 'minio-cluster',
    name: 'MinIO, twelve processes, encrypted',
    program: 'systems/minio-cluster.ts',
    variants: ['6/12'],
    needs: ['minio'],
    hasOwnReader: false,
    isPutLocal: false,
    facts: {
      encryption:
        'at rest by the server that is asked (AES-256-GCM, a key for each object): it sees the content, and all twelve hold the one master key; TLS on the wire',
      redundancy: 'any k of n shards on twelve servers with a folder each; not the loss of the master key',
      acknowledgement: MINIO_SYNC,
      verification: 'HighwayHash of every shard block, then AEAD',
      path: 'HTTPS (S3) to one of twelve server processes, which encrypts, codes and sends shards to the others over TLS; the get asks the same one',
    },
  },
]
