import { decodeStripe } from '../fragment/erasure/erasure.ts'
import { plainRoom, type StripeRoom } from '../fragment/erasure/stripe-room.ts'
import type { Layout } from '../fragment/layout.ts'
import {
  decodeManifest,
  type Manifest,
  type SealedManifest,
  type WrittenObject,
} from '../fragment/manifest.ts'
import { type BodyPart, leafPart, stripePart } from '../fragment/range.ts'
import { ObjectReader } from '../fragment/reader.ts'
import { rebuildFragments } from '../fragment/rebuild.ts'
import { combineStripeSecrets } from '../fragment/stripe-secret.ts'
import { ObjectWriter, type StripeFragments } from '../fragment/writer.ts'
import { FRAGMENT_HEAD_BYTES } from '../limits.ts'
import type { Random } from '../ports.ts'
import type { Coder, OpenStream, RangePart, RebuildStream, SealStream } from './coder.ts'

/**
 * Does the CPU work of sealing and opening right here: inside a worker thread, and in tests.
 * @param roomFor each object's stripes.
 */
export function localCoder(random: Random, roomFor: () => StripeRoom = plainRoom): Coder {
  return {
    seal: async (job) => sealStream(await ObjectWriter.create({ ...job, random, room: roomFor() })),
    open: async (manifest, custodyKey, shares) => openStream(decodeManifest(manifest), custodyKey, shares),
    rebuild: async (manifest) => rebuildStream(decodeManifest(manifest)),
    close: async () => {},
  }
}

function rebuildStream(manifest: Manifest): RebuildStream {
  return {
    rebuild: async (stripe, columns, fragments) => rebuildFragments(manifest, stripe, columns, fragments),
    close: () => {},
  }
}

function sealStream(writer: ObjectWriter): SealStream {
  return {
    write: async (plain) => writer.write(plain),
    finish: async (sealed) => finish(writer, sealed),
    recycle: (bytes) => writer.recycle(bytes),
    close: () => writer.close(),
  }
}

function finish(
  writer: ObjectWriter,
  sealed: SealedManifest,
): { stripes: StripeFragments[]; written: WrittenObject; sealed: Uint8Array } {
  const stripes = writer.finish()
  return { stripes, written: writer.written(), sealed: writer.sealManifest(sealed) }
}

async function openStream(
  manifest: Manifest,
  custodyKey: Uint8Array,
  shares: Uint8Array[][],
): Promise<OpenStream> {
  const secret = await combineStripeSecrets(shares, manifest)
  const reader = new ObjectReader({ manifest, custodyKey, secret })
  return {
    sealed: reader.openSealedManifest(),
    openStripe: async (stripe, fragments) => reader.openStripe(stripe, fragments),
    openRange: async (offset, length, parts) =>
      reader.openRange(
        offset,
        length,
        parts.map((part) => bodyPart(reader.layout, part)),
      ),
    recycle: (plain) => reader.recycle(plain),
    close: () => reader.close(),
  }
}

function bodyPart(layout: Layout, part: RangePart): BodyPart {
  if ('run' in part) return leafPart(layout, part.run, part.bytes)
  const { k, n, shardBytes } = layout
  const shards = part.fragments.map((fragment) => fragment?.subarray(FRAGMENT_HEAD_BYTES) ?? null)
  return stripePart(layout, part.stripe, decodeStripe(shards, k, n, shardBytes))
}
