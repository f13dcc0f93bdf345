import { equalBytes, toHex } from '../../src/bytes.ts'
import { encodeCbor } from '../../src/cbor.ts'
import {
  custodyKey,
  epochKey,
  guardianKey,
  latestEpochKey,
  recordKey,
} from '../../src/chain-anchor/app/keys.ts'
import type { Message } from '../../src/chain-anchor/app/messages.ts'
import { decodeTx, verifyTxSignatures } from '../../src/chain-anchor/app/tx.ts'
import {
  custodyValue,
  epochValue,
  type GuardianValue,
  guardianValue,
  type NodeValue,
  recordValue,
} from '../../src/chain-anchor/app/values.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import { XcareError } from '../../src/errors.ts'
import { assignSlots } from '../../src/fragment/slots.ts'
import type { Ledger, ProvenValue, SentTx } from '../../src/ports.ts'

export const NETWORK = 'xcare-test'

/** A chain of one epoch that anchors records and custody when the owner signed for them. */
export class MemoryChain implements Ledger {
  readonly anchored: Message[] = []
  readonly #values = new Map<string, Uint8Array>()
  readonly #blobs = new Map<string, Uint8Array>()

  constructor(nodes: NodeValue[], guardians: GuardianValue[]) {
    const sorted = [...nodes].sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1))
    const table = assignSlots(
      sorted.map(({ nodeId }) => ({ nodeId, weight: 1 })),
      null,
    )
    const epoch = epochValue.encode({
      ...{ epoch: 1, height: 1, seed: sha256(new Uint8Array(1)), nodeCount: nodes.length },
      nodesHash: this.#keep(encodeCbor(sorted)),
      guardiansHash: this.#keep(encodeCbor(guardians)),
      tableHash: this.#keep(new Uint8Array(table.buffer)),
    })
    this.set(latestEpochKey(), epoch)
    this.set(epochKey(1), epoch)
    for (const guardian of guardians)
      this.set(guardianKey(guardian.guardianId), guardianValue.encode(guardian))
  }

  set(key: Uint8Array, value: Uint8Array): void {
    this.#values.set(toHex(key), value)
  }

  get(key: Uint8Array): Uint8Array | null {
    return this.#values.get(toHex(key)) ?? null
  }

  async head() {
    return { height: 10, timeMs: 0, hash: new Uint8Array(32), chainId: NETWORK }
  }

  async read(key: Uint8Array): Promise<ProvenValue> {
    return { value: this.get(key), height: 9, timeMs: 0 }
  }

  async blob(hash: Uint8Array): Promise<Uint8Array> {
    return this.#blobs.get(toHex(hash))!
  }

  async send(input: Uint8Array): Promise<SentTx> {
    const { height } = await this.submit(input)
    return { height, proven: Promise.resolve({ height }) }
  }

  async submit(input: Uint8Array): Promise<{ height: number }> {
    const tx = decodeTx(input)
    if (!verifyTxSignatures(tx)) throw new XcareError('REFUSED', 'wrong signature')
    for (const message of tx.body.messages) {
      const ownerKey = this.#ownerOf(message)
      if (!ownerKey || !tx.auths.some(({ key }) => equalBytes(key, ownerKey)))
        throw new XcareError('REFUSED', 'not signed by the owner')
      this.#apply(message)
      this.anchored.push(message)
    }
    return { height: 11 }
  }

  #ownerOf(message: Message): Uint8Array | null {
    if ('ownerKey' in message) return message.ownerKey
    const record = 'objectId' in message ? this.get(recordKey(message.objectId)) : null
    return record && recordValue.decode(record).ownerKey
  }

  #apply(message: Message): void {
    if (message.type === 'record.anchor') {
      const { type: _, ...fields } = message
      const value = recordValue.encode({ ...fields, status: 'active', height: 10 })
      this.set(recordKey(message.objectId), value)
    } else if (message.type === 'custody.record') {
      const { type: _, ...fields } = message
      const value = custodyValue.encode({ ...fields, frozen: false, status: 'active' })
      this.set(custodyKey(message.objectId), value)
    } else if (message.type === 'record.remove') {
      const before = recordValue.decode(this.get(recordKey(message.objectId))!)
      if (before.status === 'removed') throw new XcareError('REFUSED', 'removed already')
      this.set(recordKey(message.objectId), recordValue.encode({ ...before, status: 'removed' }))
    } else if (message.type === 'custody.destroy') {
      const before = custodyValue.decode(this.get(custodyKey(message.objectId))!)
      if (before.status === 'destroyed') throw new XcareError('REFUSED', 'destroyed already')
      this.set(custodyKey(message.objectId), custodyValue.encode({ ...before, status: 'destroyed' }))
    }
  }

  #keep(blob: Uint8Array): Uint8Array {
    const hash = sha256(blob)
    this.#blobs.set(toHex(hash), blob)
    return hash
  }
}
