import { rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { systemRandom } from '../../../crypto/random.ts'
import { fragmentBytesOf, layoutOf } from '../../../fragment/layout.ts'
import { COMMIT_BYTES_MAX, OBJECT_BYTES_MAX, SHARD_BYTES_MAX } from '../../../limits.ts'
import { FragmentIndex } from '../../../storage-node/disk/catalog/fragment-index.ts'
import { storeIdOf } from '../../../storage-node/disk/store-id.ts'
import { openVolumeFolder } from '../../../storage-node/disk/volume/files.ts'
import { recordBytes, wholeBlocks } from '../../../storage-node/disk/volume/record.ts'
import { Volumes } from '../../../storage-node/disk/volume/volumes.ts'

/** Shape of the objects, and how many of their columns one node of a dozen keeps. */
const SHAPE = { k: 20, n: 40 }
const COLUMNS = 3
/** Objects that are put at the same time, and stripes of each that come together. */
const UNDER_WAY = 8
const BURST_STRIPES = 5
/** As the disk thread does. */
const SETTLE_MS = 200
const POOL_BYTES = 65_536
const MANIFEST_BYTES = 2048

const LAYOUT = layoutOf(OBJECT_BYTES_MAX, SHAPE.k, SHAPE.n, SHARD_BYTES_MAX)
const FRAGMENT_BYTES = fragmentBytesOf(LAYOUT)
const BURST_BYTES = BURST_STRIPES * COLUMNS * recordBytes(FRAGMENT_BYTES)

interface UnderWay {
  objectId: Uint8Array
  ownerKey: Uint8Array
  /** Row ids of its columns. */
  ids: number[]
  stripe: number
}

/**
 * The store of a node that took many large objects: its index is the real one, filled commit by commit as the node does it; its volumes
 * have their heads and lengths and, in place of fragments, nothing: sparse files.
 */
export class FilledStore {
  /** Fragments the index knows. */
  rows = 0
  readonly #path: string
  readonly #index: FragmentIndex
  readonly #volumes: Volumes
  readonly #pool = systemRandom.bytes(POOL_BYTES)
  readonly #objects: UnderWay[] = []
  #sequence = 1
  #turn = 0
  #settledMs = performance.now()

  /** Makes an empty one in the folder `path`. */
  constructor(path: string) {
    this.#path = path
    const folder = openVolumeFolder(join(path, 'volumes'))
    const storeId = storeIdOf(folder, null, systemRandom)
    this.#volumes = new Volumes(folder, storeId)
    this.#index = FragmentIndex.create(this.#indexPath, storeId)
    this.#index.ready()
  }

  /** Bytes of all volumes. */
  get volumeBytes(): number {
    let bytes = 0
    for (const { size } of this.#index.volumes.values()) bytes += wholeBlocks(size)
    return bytes
  }

  /** Bytes of the file of the index. */
  get indexBytes(): number {
    return statSync(this.#indexPath).size
  }

  get #indexPath(): string {
    return join(this.#path, 'index.db')
  }

  /** Takes commits until there are `rows` fragments, and makes the index durable. */
  fill(rows: number): void {
    while (this.rows < rows) {
      this.#commit()
      if (performance.now() - this.#settledMs >= SETTLE_MS) this.#settle()
    }
    this.#index.flush()
  }

  /** Lets go of the files, as they are. */
  close(): void {
    this.#index.close()
    this.#volumes.close()
  }

  /** Deletes everything. */
  remove(): void {
    rmSync(this.#path, { recursive: true, force: true })
  }

  #settle(): void {
    this.#index.settle()
    this.#settledMs = performance.now()
  }

  #commit(): void {
    const bursts = Math.floor(COMMIT_BYTES_MAX / BURST_BYTES)
    const length = wholeBlocks(bursts * BURST_BYTES + recordBytes(MANIFEST_BYTES))
    const { number, at } = this.#volumes.place(length)
    const index = this.#index
    index.begin()
    for (let burst = 0; burst < bursts; burst++) this.#burst(number, at + burst * BURST_BYTES)
    index.setVolumeSize(number, at + length)
    this.#volumes.file(number).truncate(at + length)
    index.commit(this.#sequence)
    this.#volumes.accept(at + length)
  }

  /** A few stripes of the next object. Its last burst ends it. */
  #burst(volume: number, from: number): void {
    const slot = this.#turn++ % UNDER_WAY
    const object = this.#objects[slot] ?? this.#newObject()
    this.#objects[slot] = object
    const end = Math.min(object.stripe + BURST_STRIPES, LAYOUT.stripes)
    for (let at = from; object.stripe < end; object.stripe++)
      for (const id of object.ids) {
        this.#place(id, object.stripe, volume, at)
        at += recordBytes(FRAGMENT_BYTES)
      }
    if (end < LAYOUT.stripes) return
    this.#finish(object, volume, from)
    delete this.#objects[slot]
  }

  #newObject(): UnderWay {
    const name = { objectId: systemRandom.bytes(32), ownerKey: systemRandom.bytes(32), version: 1 }
    const ids = Array.from({ length: COLUMNS }, (_, column) =>
      this.#index.addColumn({ ...name, column }, LAYOUT, Date.now()),
    )
    return { ...name, ids, stripe: 0 }
  }

  /** As a committer does for a column that is new. */
  #place(id: number, stripe: number, volume: number, at: number): void {
    const from = this.rows % (POOL_BYTES - 65)
    const hash = this.#pool.subarray(from, from + 32)
    const share = this.#pool.subarray(from + 32, from + 65)
    const place = { volume, at, length: FRAGMENT_BYTES, isBad: false, hash, share }
    this.#index.setPlace(id, stripe, place, null)
    this.#sequence++
    this.rows++
  }

  #finish({ objectId, ownerKey, ids }: UnderWay, volume: number, at: number): void {
    const hash = this.#pool.subarray(0, 32)
    this.#index.setManifest({ objectId, ownerKey, version: 1, volume, at, length: MANIFEST_BYTES, hash })
    for (const id of ids) this.#index.completeColumn(id, volume, Date.now())
    this.#sequence += 1 + ids.length
  }
}
