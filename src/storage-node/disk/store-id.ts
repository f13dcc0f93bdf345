import { toHex } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import type { Random } from '../../ports.ts'
import type { VolumeFolder } from './volume/files.ts'
import { STORE_ID_BYTES, volumeNumber } from './volume/record.ts'

/** Name of the marker that says whose volumes a folder holds. */
const STORE_MARKER = 'STORE'
const NEXT = 'mount the disk that belongs to this node; to start over, use an empty data folder'

/**
 * Finds out which store lies in `folder`, or starts a new one there.
 * @param configured store id in the node's own configuration, null at the first start: the caller keeps the result there.
 * @returns the store id, 16 bytes.
 * @throws XcareError INTEGRITY when the folder holds another store, or none where there must be one: a disk that is not mounted.
 */
export function storeIdOf(folder: VolumeFolder, configured: Uint8Array | null, random: Random): Uint8Array {
  const marker = readMarker(folder)
  const hasVolumes = folder.list().some((name) => volumeNumber(name) !== null)
  if (marker === null) {
    if (configured || hasVolumes)
      throw new XcareError('INTEGRITY', 'the volumes of this node are not there', { next: NEXT })
    return writeMarker(folder, random.bytes(STORE_ID_BYTES))
  }
  if (configured && toHex(configured) !== toHex(marker))
    throw new XcareError('INTEGRITY', 'the volumes belong to another node', { next: NEXT })
  return marker
}

function readMarker(folder: VolumeFolder): Uint8Array | null {
  if (!folder.list().includes(STORE_MARKER)) return null
  const file = folder.open(STORE_MARKER)
  try {
    const id = new Uint8Array(STORE_ID_BYTES)
    // A marker cut short by a crash was never followed by a volume.
    return file.read(id, 0) === id.length ? id : null
  } finally {
    file.close()
  }
}

function writeMarker(folder: VolumeFolder, id: Uint8Array): Uint8Array {
  if (folder.list().includes(STORE_MARKER)) folder.remove(STORE_MARKER)
  const file = folder.create(STORE_MARKER)
  try {
    file.write(id, 0)
    file.sync()
  } finally {
    file.close()
  }
  folder.sync()
  return id
}
