import { blake3 } from '../../src/crypto/hash.ts'
import { type SigningKey, signingKeyFromSeed } from '../../src/crypto/sign.ts'
import { encodeHead } from '../../src/fragment/header.ts'
import { type Layout, layoutOf } from '../../src/fragment/layout.ts'
import { buildManifest, columnRoot } from '../../src/fragment/manifest.ts'
import { boundId } from '../../src/identity/bound-id.ts'
import type { NodeId } from '../../src/ids.ts'
import {
  DELETE_DOMAIN,
  deleteOrderBytes,
  type MessageOf,
  PUT_DOMAIN,
  putOrderBytes,
} from '../../src/wire/fragment-protocol.ts'

export const AUDIENCE = { network: 'xcare-test', nodeId: 'node-under-test' as NodeId }

/** Bytes that follow from `seed` alone; xorshift, so that tests are fast and repeat exactly. */
export function seededBytes(seed: number, length: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4))
  let state = (seed * 2654435761 + 0x9e3779b9) >>> 0 || 1
  for (let at = 0; at < words.length; at++) {
    state ^= state << 13
    state >>>= 0
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    words[at] = state
  }
  return new Uint8Array(words.buffer, 0, length)
}

/** An object as an owner would put it, with made-up shards: enough for a node, which cannot read them anyway. */
export interface MadeObject {
  objectId: Uint8Array
  version: number
  owner: SigningKey
  layout: Layout
  /** Fragments by position in `columns`, then by stripe. */
  fragments: Uint8Array[][]
  manifest: Uint8Array
  columnRoots: Uint8Array[]
}

interface MadeOptions {
  seed: number
  version?: number
  owner?: number
  /** Plaintext bytes; decides the stripes. */
  length?: number
  shardBytesMax?: number
  /** Fragments are made for these columns only. */
  columns?: number[]
  k?: number
  n?: number
  /** Seed of the shards; another one gives other fragments of the same object. */
  content?: number
  network?: string
}

export function makeObject(options: MadeOptions): MadeObject {
  const { seed, version = 1, length = 3000, shardBytesMax = 256, columns = [0], k = 4, n = 8 } = options
  const { content = seed * 31 + version, network = AUDIENCE.network } = options
  const namer = signingKeyFromSeed(seededBytes(seed + 500_000, 32))
  const owner = options.owner === undefined ? namer : signingKeyFromSeed(seededBytes(options.owner, 32))
  // Whoever else owns it uses a name that is not its own.
  const objectId = boundId('object', seededBytes(seed, 16), namer.publicKey)
  const layout = layoutOf(length, k, n, shardBytesMax)
  const fragments: Uint8Array[][] = columns.map((column) =>
    Array.from({ length: layout.stripes }, (_, stripe) => {
      const head = encodeHead(
        { objectId, version, stripe, column, ...layout },
        seededShare(stripe, column, n),
      )
      const shard = seededBytes(content * 7919 + column * 65537 + stripe, layout.shardBytes)
      const fragment = new Uint8Array(head.length + shard.length)
      fragment.set(head)
      fragment.set(shard, head.length)
      return fragment
    }),
  )
  const columnRoots = Array.from({ length: n }, (_, column) => {
    const at = columns.indexOf(column)
    return at < 0 ? seededBytes(content + column, 32) : columnRoot(hashesOf(fragments[at]!))
  })
  const written = {
    ...{ objectId, version, ownerKey: owner.publicKey, layout, columnRoots },
    ...{ salt: seededBytes(1, 24), commitment: seededBytes(2, 32), kcv: seededBytes(3, 32) },
  }
  const manifest = buildManifest(written, { network, custodyEpoch: 1, sealed: seededBytes(4, 100) }, owner)
  return { objectId, version, owner, layout, fragments, manifest, columnRoots }
}

function seededShare(stripe: number, column: number, n: number): Uint8Array {
  const share = seededBytes(stripe * 1000 + column, 33)
  share[32] = n > 255 ? 0 : column + 1
  return share
}

export function hashesOf(fragments: Uint8Array[]): Uint8Array {
  const hashes = new Uint8Array(fragments.length * 32)
  fragments.forEach((fragment, at) => {
    hashes.set(blake3(fragment), at * 32)
  })
  return hashes
}

export function openPutOf(
  object: MadeObject,
  columns: number | number[] = 0,
  audience = AUDIENCE,
): MessageOf<'OPEN_PUT'> {
  const { objectId, version, owner, layout } = object
  const { k, n, shardBytes, stripes } = layout
  const named = { objectId, version, columns: [columns].flat(), ownerKey: owner.publicKey }
  const order = { ...named, k, n, shardBytes, stripes }
  return {
    op: 'OPEN_PUT',
    ...order,
    signature: owner.sign(PUT_DOMAIN, putOrderBytes({ ...order, ...audience })),
  }
}

export function deleteOf(
  object: MadeObject,
  version = object.version,
  network = AUDIENCE.network,
): MessageOf<'DELETE'> {
  const order = { objectId: object.objectId, version, ownerKey: object.owner.publicKey }
  const signature = object.owner.sign(DELETE_DOMAIN, deleteOrderBytes({ ...order, network }))
  return { op: 'DELETE', ...order, signature }
}
