import { toHex } from '../bytes.ts'
import { XcareError } from '../errors.ts'
import type { Folder, Random } from '../ports.ts'
import { SealedLog } from './_sealed-log.ts'
import {
  entryFormat,
  type IssuedGrant,
  type ReceivedGrant,
  type VaultEntry,
  type VaultNotice,
  type VaultObject,
} from './vault-entry.ts'

/** Markers, one per name: how far notices and letters were read. */
type Markers = Map<string, Uint8Array>

const LOG_FILE = 'vault.log'
/** The log is rewritten when this many entries, and most of all, no longer count. */
const DEAD_ENTRIES_MIN = 64

/** A person's own list: objects with their custody keys, permissions given and received. Spec: docs/spec/identity.md 4. */
export interface Vault {
  /** Adds an object, or a newer version of it. Durable when it resolves. */
  add(object: VaultObject): Promise<void>
  /** Forgets an object and its key. Absent is fine. */
  remove(objectId: Uint8Array): Promise<void>
  get(objectId: Uint8Array): VaultObject | null
  /** Objects in the order they were first added. */
  list(): VaultObject[]
  addIssued(grant: IssuedGrant): Promise<void>
  markRevoked(grantId: Uint8Array): Promise<void>
  issued(): IssuedGrant[]
  addReceived(grant: ReceivedGrant): Promise<void>
  received(): ReceivedGrant[]
  /** Adds a notice, or replaces the one of the same release and object. */
  addNotice(notice: VaultNotice): Promise<void>
  notices(): VaultNotice[]
  marker(name: string): Uint8Array | null
  setMarker(name: string, value: Uint8Array): Promise<void>
}

/** Opens (or begins) the vault in `folder`. @throws XcareError INTEGRITY when it was altered or `vaultKey` is not its key. */
export async function openVault(folder: Folder, vaultKey: Uint8Array, random: Random): Promise<Vault> {
  const log = await SealedLog.open(folder, LOG_FILE, vaultKey, random)
  const state = new State()
  for (const plain of log.entries) state.apply(entryFormat.decode(plain))
  const put = (entry: VaultEntry) =>
    log.append(entryFormat.encode(entry), () => {
      state.apply(entry)
      const dead = log.count - state.live()
      const wasteful = dead >= DEAD_ENTRIES_MIN && dead > log.count / 2
      return wasteful ? state.entries().map((live) => entryFormat.encode(live)) : null
    })
  return {
    add: (object) => put({ ...object, type: 'object' }),
    remove: async (objectId) => {
      if (state.objects.has(toHex(objectId))) await put({ type: 'removed', objectId })
    },
    get: (objectId) => state.objects.get(toHex(objectId)) ?? null,
    list: () => [...state.objects.values()],
    addIssued: (grant) => put({ ...grant, type: 'issued' }),
    markRevoked: async (grantId) => {
      const grant = state.issued.get(toHex(grantId))
      if (!grant) throw new XcareError('NOT_FOUND', 'this wallet gave no such permission')
      await put({ ...grant, revoked: true, type: 'issued' })
    },
    issued: () => [...state.issued.values()],
    addReceived: (grant) => put({ ...grant, type: 'received' }),
    received: () => [...state.received.values()],
    addNotice: (notice) => put({ ...notice, type: 'notice' }),
    notices: () => [...state.notices.values()],
    marker: (name) => state.markers.get(name) ?? null,
    setMarker: (name, value) => put({ type: 'marker', name, value }),
  }
}

/** What the entries add up to: the last entry about a thing is what holds. */
class State {
  readonly objects = new Map<string, VaultObject>()
  readonly issued = new Map<string, IssuedGrant>()
  readonly received = new Map<string, ReceivedGrant>()
  readonly notices = new Map<string, VaultNotice>()
  readonly markers: Markers = new Map()

  apply(entry: VaultEntry): void {
    switch (entry.type) {
      case 'object':
        this.objects.set(toHex(entry.objectId), entry)
        break
      case 'removed':
        this.objects.delete(toHex(entry.objectId))
        break
      case 'issued':
        this.issued.set(toHex(entry.grantId), entry)
        break
      case 'received':
        this.received.set(toHex(entry.grantId), entry)
        break
      case 'notice':
        this.notices.set(toHex(entry.releaseId) + toHex(entry.objectId), entry)
        break
      case 'marker':
        this.markers.set(entry.name, entry.value)
    }
  }

  live(): number {
    const { objects, issued, received, notices, markers } = this
    return objects.size + issued.size + received.size + notices.size + markers.size
  }

  entries(): VaultEntry[] {
    return [
      ...[...this.objects.values()].map((object) => ({ ...object, type: 'object' as const })),
      ...[...this.issued.values()].map((grant) => ({ ...grant, type: 'issued' as const })),
      ...[...this.received.values()].map((grant) => ({ ...grant, type: 'received' as const })),
      ...[...this.notices.values()].map((notice) => ({ ...notice, type: 'notice' as const })),
      ...[...this.markers].map(([name, value]) => ({ type: 'marker' as const, name, value })),
    ]
  }
}
