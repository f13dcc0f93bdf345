import { toHex } from '../bytes.ts'
import { XcareError } from '../errors.ts'
import { VAULT_BYTES_MAX } from '../limits.ts'
import type { Folder, Random } from '../ports.ts'
import { SealedLog } from './_sealed-log.ts'
import { VaultState } from './_vault-state.ts'
import {
  entryFormat,
  type IssuedGrant,
  type ReceivedGrant,
  type VaultEntry,
  type VaultLoss,
  type VaultNotice,
  type VaultObject,
  type VaultRemoval,
} from './vault-entry.ts'

/** Name of its first file. */
export const VAULT_FILE = 'vault.log'

/**
 * A person's own list: objects with their custody keys, permissions given and received. Several processes may
 * have it open: what each reads is what was there when it last wrote, refreshed or opened. Spec:
 * docs/spec/identity.md 4.
 */
export interface Vault {
  /** Adds an object, or a newer version of it. Durable when it resolves. */
  add(object: VaultObject): Promise<void>
  /** Forgets an object, its key and its removal. Absent is fine. */
  remove(objectId: Uint8Array): Promise<void>
  get(objectId: Uint8Array): VaultObject | null
  /** Objects in the order they were first added, those that are being removed among them. */
  list(): VaultObject[]
  /** Begins a removal, or tells how far it is. */
  setRemoval(removal: VaultRemoval): Promise<void>
  removals(): VaultRemoval[]
  addIssued(grant: IssuedGrant): Promise<void>
  markRevoked(grantId: Uint8Array): Promise<void>
  issued(): IssuedGrant[]
  addReceived(grant: ReceivedGrant): Promise<void>
  /** Forgets a permission received. Absent is fine. */
  forgetReceived(grantId: Uint8Array): Promise<void>
  received(): ReceivedGrant[]
  /** Adds a notice, or replaces the one of the same release and object. */
  addNotice(notice: VaultNotice): Promise<void>
  forgetNotice(notice: Pick<VaultNotice, 'releaseId' | 'objectId'>): Promise<void>
  notices(): VaultNotice[]
  marker(name: string): Uint8Array | null
  /** Markers whose name begins with `prefix`, by name. */
  markers(prefix: string): { name: string; value: Uint8Array }[]
  setMarker(name: string, value: Uint8Array): Promise<void>
  /** Entries that were there and do not open any more, or null. */
  loss(): VaultLoss | null
  /** Everything that counts, as a backup keeps it. */
  entries(): VaultEntry[]
  /**
   * Adds those of `entries` about things that this vault knows nothing of, and declares it complete.
   * @returns how many
   */
  merge(entries: VaultEntry[]): Promise<number>
  /** Bytes of the file. */
  bytes(): number
  /** Reads what other processes added since. */
  refresh(): Promise<void>
  /** Ends the use by this process; nothing is lost without it. */
  close(): Promise<void>
}

/**
 * Opens (or begins) the vault in `folder`. Entries that do not open cost only themselves; `loss` tells of
 * them. `mustExist`: a vault was made here before, its absence is a loss. `bytesMax`: a file of so many bytes
 * takes no more.
 */
export async function openVault(
  folder: Folder,
  vaultKey: Uint8Array,
  random: Random,
  { mustExist = false, bytesMax = VAULT_BYTES_MAX }: { mustExist?: boolean; bytesMax?: number } = {},
): Promise<Vault> {
  const state = new VaultState()
  const log = await SealedLog.open({
    ...{ folder, name: VAULT_FILE, key: vaultKey, random, mustExist, bytesMax },
    keeper: state,
  })
  const put = (entry: VaultEntry) => log.append(entryFormat.encode(entry), state.makesRoom(entry))
  return {
    add: (object) => put({ ...object, type: 'object' }),
    remove: async (objectId) => {
      if (state.now.objects.has(toHex(objectId))) await put({ type: 'removed', objectId })
    },
    get: (objectId) => state.now.objects.get(toHex(objectId)) ?? null,
    list: () => [...state.now.objects.values()],
    setRemoval: (removal) => put({ ...removal, type: 'removing' }),
    removals: () => [...state.now.removals.values()],
    addIssued: (grant) => put({ ...grant, type: 'issued' }),
    markRevoked: async (grantId) => {
      const grant = state.now.issued.get(toHex(grantId))
      if (!grant) throw new XcareError('NOT_FOUND', 'this wallet gave no such permission')
      await put({ ...grant, revoked: true, type: 'issued' })
    },
    issued: () => [...state.now.issued.values()],
    addReceived: (grant) => put({ ...grant, type: 'received' }),
    forgetReceived: async (grantId) => {
      if (state.now.received.has(toHex(grantId))) await put({ type: 'ended', grantId })
    },
    received: () => [...state.now.received.values()],
    addNotice: (notice) => put({ ...notice, type: 'notice' }),
    forgetNotice: ({ releaseId, objectId }) => put({ type: 'told', releaseId, objectId }),
    notices: () => [...state.now.notices.values()],
    marker: (name) => state.now.markers.get(name) ?? null,
    markers: (prefix) =>
      [...state.now.markers]
        .filter(([name]) => name.startsWith(prefix))
        .map(([name, value]) => ({ name, value }))
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    setMarker: (name, value) => put({ type: 'marker', name, value }),
    loss: () => log.loss(),
    entries: () => state.entries(),
    async merge(entries) {
      const missing = entries.filter((entry) => state.isNew(entry))
      await Promise.all(missing.map(put))
      await log.rewrite(null)
      return missing.length
    },
    bytes: () => log.bytes,
    refresh: () => log.refresh(),
    close: () => log.close(),
  }
}

/**
 * Makes the vault of a new wallet, so that its absence is never taken for a new one.
 * @param entries what it begins with
 */
export async function beginVault(
  folder: Folder,
  vaultKey: Uint8Array,
  random: Random,
  entries: VaultEntry[] = [],
): Promise<void> {
  const vault = await openVault(folder, vaultKey, random)
  await vault.merge(entries)
  await vault.close()
}
