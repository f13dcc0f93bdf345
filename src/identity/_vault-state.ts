import { toHex } from '../bytes.ts'
import { XcareError } from '../errors.ts'
import type { LogKeeper, LogOrigin } from './_sealed-log.ts'
import {
  entryFormat,
  type IssuedGrant,
  type ReceivedGrant,
  type VaultEntry,
  type VaultNotice,
  type VaultObject,
  type VaultRemoval,
} from './vault-entry.ts'

/** The log is rewritten when this many entries, and most of all, no longer count. */
const DEAD_ENTRIES_MIN = 64
const MIB = 1024 * 1024

/** What entries add up to: the last entry about a thing is what holds. */
class Things {
  readonly objects = new Map<string, VaultObject>()
  readonly removals = new Map<string, VaultRemoval>()
  readonly issued = new Map<string, IssuedGrant>()
  readonly received = new Map<string, ReceivedGrant>()
  readonly notices = new Map<string, VaultNotice>()
  /** One per name: how far notices and letters were read. */
  readonly markers = new Map<string, Uint8Array>()
  origin: LogOrigin | null = null

  apply(entry: VaultEntry): void {
    switch (entry.type) {
      case 'log':
        this.origin = { previous: entry.previous, loss: entry.loss }
        break
      case 'object':
        this.objects.set(toHex(entry.objectId), entry)
        break
      case 'removing':
        this.removals.set(toHex(entry.objectId), entry)
        break
      case 'removed':
        this.objects.delete(toHex(entry.objectId))
        this.removals.delete(toHex(entry.objectId))
        break
      case 'issued':
        this.issued.set(toHex(entry.grantId), entry)
        break
      case 'received':
        this.received.set(toHex(entry.grantId), entry)
        break
      case 'ended':
        this.received.delete(toHex(entry.grantId))
        break
      case 'notice':
        this.notices.set(noticeId(entry), entry)
        break
      case 'told':
        this.notices.delete(noticeId(entry))
        break
      case 'marker':
        this.markers.set(entry.name, entry.value)
    }
  }

  count(): number {
    const { objects, removals, issued, received, notices, markers } = this
    return [objects, removals, issued, received, notices, markers].reduce((sum, { size }) => sum + size, 0)
  }
}

/** The state of a vault. While it is read anew, everybody sees what it was before. */
export class VaultState implements LogKeeper {
  /** What is shown; read only. */
  now: Things = new Things()
  #next: Things | null = null

  reset(): void {
    this.#next = new Things()
  }

  ready(): void {
    this.now = this.#next ?? this.now
    this.#next = null
  }

  apply(plain: Uint8Array): boolean {
    try {
      const things = this.#next ?? this.now
      things.apply(entryFormat.decode(plain))
      return true
    } catch {
      return false
    }
  }

  isWasteful(count: number): boolean {
    const dead = count - this.now.count()
    return dead >= DEAD_ENTRIES_MIN && dead > count / 2
  }

  /** @returns whether nothing is known of what the entry is about. */
  isNew(entry: VaultEntry): boolean {
    switch (entry.type) {
      case 'object':
        return !this.now.objects.has(toHex(entry.objectId))
      case 'removing':
        return !this.now.removals.has(toHex(entry.objectId))
      case 'issued':
        return !this.now.issued.has(toHex(entry.grantId))
      case 'received':
        return !this.now.received.has(toHex(entry.grantId))
      case 'notice':
        return !this.now.notices.has(noticeId(entry))
      case 'marker':
        return !this.now.markers.has(entry.name)
      default:
        return false
    }
  }

  /** @returns whether the entry is one after which the log can be made smaller. */
  makesRoom(entry: VaultEntry): boolean {
    return ['removing', 'removed', 'ended', 'told', 'marker'].includes(entry.type)
  }

  entries(): VaultEntry[] {
    return [
      ...[...this.now.objects.values()].map((object) => ({ ...object, type: 'object' as const })),
      ...[...this.now.removals.values()].map((removal) => ({ ...removal, type: 'removing' as const })),
      ...[...this.now.issued.values()].map((grant) => ({ ...grant, type: 'issued' as const })),
      ...[...this.now.received.values()].map((grant) => ({ ...grant, type: 'received' as const })),
      ...[...this.now.notices.values()].map((notice) => ({ ...notice, type: 'notice' as const })),
      ...[...this.now.markers].map(([name, value]) => ({ type: 'marker' as const, name, value })),
    ]
  }

  live(): Uint8Array[] {
    return this.entries().map((entry) => entryFormat.encode(entry))
  }

  origin({ previous, loss }: LogOrigin): Uint8Array {
    return entryFormat.encode({ type: 'log', previous, loss })
  }

  readOrigin(): LogOrigin | null {
    return (this.#next ?? this.now).origin
  }

  full(): XcareError {
    const letters = [...this.now.received.values()].reduce((sum, { letter }) => sum + letter.length, 0)
    const held = `${this.now.objects.size} objects, ${this.now.received.size} permissions received (${Math.ceil(letters / MIB)} MiB) and ${this.now.notices.size} notices`
    return new XcareError('NO_SPACE', `the wallet's list is full: it holds ${held}`, {
      next: 'remove records you do not need with `npx xcare rm OBJECT`, or use a second wallet',
    })
  }
}

function noticeId({ releaseId, objectId }: Pick<VaultNotice, 'releaseId' | 'objectId'>): string {
  return toHex(releaseId) + toHex(objectId)
}
