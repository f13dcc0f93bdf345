import type { VolumeFile, VolumeFolder } from '../../src/storage-node/disk/volume/files.ts'
import { CrashDisk } from './crash-disk.ts'

/** A disk in memory that notes how it is read, and cannot read some of it. */
export class WornDisk implements VolumeFolder {
  readonly disk = new CrashDisk()
  readonly reads: { way: 'cached' | 'direct'; bytes: number }[] = []
  /** No byte from `from` to `to` of any volume can be read. */
  bad: { from: number; to: number } | null = null
  list = () => this.disk.list()
  create = (name: string) => this.#worn(this.disk.create(name))
  open = (name: string) => this.#worn(this.disk.open(name))
  remove = (name: string) => this.disk.remove(name)
  sync = () => this.disk.sync()
  freeBytes = () => this.disk.freeBytes()

  #worn(file: VolumeFile): VolumeFile {
    const through =
      (way: 'cached' | 'direct', read: VolumeFile['read']): VolumeFile['read'] =>
      (into, at) => {
        this.reads.push({ way, bytes: into.length })
        if (this.bad && at < this.bad.to && at + into.length > this.bad.from)
          throw Object.assign(new Error('worn'), { code: 'EIO' })
        return read(into, at)
      }
    return {
      ...file,
      read: through('cached', file.read),
      readDirectly: through('direct', file.readDirectly),
    }
  }
}
