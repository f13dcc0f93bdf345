import type { Standing } from '../../budget.ts'
import { equalBytes } from '../../bytes.ts'
import { decodeCbor, encodeCbor } from '../../cbor.ts'
import { HEADER_AGE_MS_MAX } from '../../limits.ts'
import type { Ledger } from '../../ports.ts'
import { latestEpochKey } from '../app/keys.ts'
import { epochValue, guardianValue, nodeValue } from '../app/values.ts'

const NONE: ReadonlySet<string> = new Set()

interface Listed {
  /** Hash of the list that the ids are from. */
  hash: Uint8Array
  ids: ReadonlySet<string>
}

/**
 * The storage nodes and guardians that the newest epoch names, as an own light client has proven it. Old
 * until `refresh`.
 */
export class Members {
  readonly #ledger: Ledger
  #nodes: Listed | null = null
  #guardians: Listed | null = null

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  /**
   * Reads the newest epoch; lists that did not change are not fetched again.
   * @throws XcareError OFFLINE, INTEGRITY as the ledger does.
   */
  async refresh(): Promise<void> {
    const { value } = await this.#ledger.read(latestEpochKey(), HEADER_AGE_MS_MAX)
    if (value === null) return
    const { nodesHash, guardiansHash } = epochValue.decode(value)
    this.#nodes = await this.#list(this.#nodes, nodesHash, (entry) => nodeValue.decode(entry).nodeId)
    this.#guardians = await this.#list(
      this.#guardians,
      guardiansHash,
      (entry) => guardianValue.decode(entry).guardianId,
    )
  }

  /** @returns what the chain says of a peer. */
  standingOf(peer: string): Extract<Standing, 'node' | 'guardian' | 'stranger'> {
    if (this.#nodes?.ids.has(peer)) return 'node'
    return this.isGuardian(peer) ? 'guardian' : 'stranger'
  }

  /** @returns whether a guardian id is in the registry. */
  isGuardian(id: string): boolean {
    return (this.#guardians?.ids ?? NONE).has(id)
  }

  async #list(known: Listed | null, hash: Uint8Array, idOf: (entry: Uint8Array) => string): Promise<Listed> {
    if (known && equalBytes(known.hash, hash)) return known
    const list = decodeCbor(await this.#ledger.blob(hash))
    return { hash, ids: new Set(Array.isArray(list) ? list.map((entry) => idOf(encodeCbor(entry))) : []) }
  }
}
