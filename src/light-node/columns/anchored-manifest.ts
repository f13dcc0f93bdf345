import { equalBytes } from '../../bytes.ts'
import type { RecordValue } from '../../chain-anchor/app/values.ts'
import { XcareError } from '../../errors.ts'
import { type Manifest, verifyManifest } from '../../fragment/manifest.ts'
import type { ObjectId } from '../../ids.ts'
import { READ_STALL_MS } from '../../limits.ts'
import type { FrameStream, PeerAddress } from '../../ports.ts'
import { encodeFrame } from '../../wire/fragment-protocol.ts'
import type { LocatedObject } from '../locate.ts'
import { readNodeMessage, unexpected } from './node-message.ts'

/** What is known of an object that nodes keep, anchored or about to be. */
export interface KeptObject {
  objectId: ObjectId
  record: Pick<RecordValue, 'objectId' | 'k' | 'n' | 'manifestHash'>
  /** Per column the node that keeps it, or null. */
  holders: readonly (PeerAddress | null)[]
}

/** The manifest whose hash is on the chain. */
export interface AnchoredManifest {
  manifest: Manifest
  /** As it is encoded. */
  bytes: Uint8Array
}

/**
 * Asks one storage node for the manifest of an object.
 * @throws XcareError INTEGRITY when it serves another than the anchored one: of another object, an older version, a forgery.
 */
export async function readAnchoredManifest(
  stream: FrameStream,
  { record }: KeptObject,
  network: string,
): Promise<AnchoredManifest> {
  await stream.write(...encodeFrame({ op: 'GET_MANIFEST', objectId: record.objectId }))
  const reply = await readNodeMessage(stream, READ_STALL_MS)
  if (reply.op !== 'MANIFEST') throw unexpected(reply)
  const bytes = reply.body.slice()
  const { manifest, hash } = verifyManifest(bytes, network)
  if (!equalBytes(hash, record.manifestHash))
    throw new XcareError(
      'INTEGRITY',
      `storage node ${stream.remote} served a manifest that is not the anchored one`,
    )
  stream.release()
  return { manifest, bytes }
}

/** @throws XcareError INTEGRITY when the owner anchored a manifest of something else; no node is to blame for that. */
export function checkAnchored(manifest: Manifest, { record, custody }: LocatedObject): void {
  const isSame =
    equalBytes(manifest.objectId, record.objectId) &&
    equalBytes(manifest.ownerKey, record.ownerKey) &&
    equalBytes(manifest.kcv, custody.kcv) &&
    manifest.version === record.version &&
    manifest.k === record.k &&
    manifest.n === record.n
  if (!isSame) throw new XcareError('INTEGRITY', 'the anchored manifest is not that of the anchored record')
}
