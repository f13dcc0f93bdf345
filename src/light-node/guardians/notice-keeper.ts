import { equalBytes, toHex } from '../../bytes.ts'
import type { CustodyValue } from '../../chain-anchor/app/values.ts'
import type { SignedReceipt } from '../../custody/release/receipt.ts'
import { revokeKeyOf } from '../../identity/keypair.ts'
import type { Vault } from '../../identity/vault.ts'
import type { VaultNotice } from '../../identity/vault-entry.ts'
import { NOTICES_FOREIGN_MAX, NOTICES_MAX } from '../../limits.ts'
import type { Clock, Ledger } from '../../ports.ts'
import { readGrant } from './grant.ts'

/**
 * Keeps receipts as notices. A guardian's receipt is its own word: what it can be wrong about is looked up,
 * and how many there can be is bounded.
 */
export class NoticeKeeper {
  readonly #ports: { ledger: Ledger; clock: Clock; root: Uint8Array }
  readonly #vault: Vault
  readonly #custodies: Map<string, CustodyValue>
  readonly #known: Map<string, VaultNotice>
  readonly #ours = new Map<string, Promise<boolean>>()

  constructor(
    ports: { ledger: Ledger; clock: Clock; root: Uint8Array },
    vault: Vault,
    custodies: CustodyValue[],
  ) {
    this.#ports = ports
    this.#vault = vault
    this.#custodies = new Map(custodies.map((custody) => [toHex(custody.objectId), custody]))
    this.#known = new Map(vault.notices().map((notice) => [idOf(notice), notice]))
  }

  /**
   * Adds what one guardian says to the notice of the same reading. What it says about others, or about
   * objects of others, is nothing.
   */
  async keep(guardianId: string, { value }: SignedReceipt): Promise<void> {
    const { releaseId, grantId, objectId, purpose, index } = value
    const custody = this.#custodies.get(toHex(objectId))
    if (!custody || custody.guardians.indexOf(guardianId) !== index) return
    const known = this.#known.get(idOf(value))
    if (known?.by.includes(index)) return
    // Two guardians that name two grants for one reading do not speak of the same.
    if (known && !equalBytes(known.grantId, grantId)) return
    const by = [...(known?.by ?? []), index].sort((a, b) => a - b)
    const timeMs = Math.min(value.timeMs, known?.timeMs ?? value.timeMs, this.#ports.clock.nowMs())
    const ours = await this.#isOurs(grantId)
    const notice = {
      releaseId,
      grantId,
      objectId,
      purpose,
      timeMs,
      by,
      of: custody.m,
      needed: custody.t,
      ours,
    }
    this.#known.set(idOf(notice), notice)
    await this.#vault.addNotice(notice)
  }

  /**
   * Forgets what is too much: of grants that are not ours, then of readings that came to nothing, then of old
   * ones.
   */
  async prune(): Promise<void> {
    const worth = (notice: VaultNotice) => (notice.ours === false ? 0 : wasRead(notice) ? 2 : 1)
    const all = this.#vault.notices().sort((a, b) => worth(b) - worth(a) || b.timeMs - a.timeMs)
    let foreign = 0
    for (const [at, notice] of all.entries()) {
      if (notice.ours === false) foreign++
      if (at >= NOTICES_MAX || foreign > NOTICES_FOREIGN_MAX) await this.#vault.forgetNotice(notice)
    }
  }

  /**
   * A grant is ours when the vault has it, or its key on the chain follows from our root: a vault may have
   * lost it.
   */
  #isOurs(grantId: Uint8Array): Promise<boolean> {
    const id = toHex(grantId)
    const asked = this.#ours.get(id)
    if (asked) return asked
    const isKnown = this.#vault.issued().some((grant) => equalBytes(grant.grantId, grantId))
    const answer = isKnown ? Promise.resolve(true) : this.#isByOurKey(grantId)
    this.#ours.set(id, answer)
    return answer
  }

  async #isByOurKey(grantId: Uint8Array): Promise<boolean> {
    const { ledger, root } = this.#ports
    const found = await readGrant(ledger, grantId)
    return found !== null && equalBytes(found.revokeKey, revokeKeyOf(root, grantId).publicKey)
  }
}

/**
 * @returns whether so many guardians agreed that the object could be read; null when it is not known how many
 * that takes.
 */
export function wasRead({ by, needed }: Pick<VaultNotice, 'by' | 'needed'>): boolean | null {
  return needed === undefined ? null : by.length >= needed
}

function idOf({ releaseId, objectId }: Pick<VaultNotice, 'releaseId' | 'objectId'>): string {
  return toHex(releaseId) + toHex(objectId)
}
