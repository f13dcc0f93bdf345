import { toHex } from '../../src/bytes.ts'
import { encodeCbor } from '../../src/cbor.ts'
import { latestEpochKey, nodeKey } from '../../src/chain-anchor/app/keys.ts'
import { decodeTx, verifyTxSignatures } from '../../src/chain-anchor/app/tx.ts'
import { epochValue, type NodeValue, nodeValue } from '../../src/chain-anchor/app/values.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import { XcareError } from '../../src/errors.ts'
import type { Ledger, ProvenValue, SentTx } from '../../src/ports.ts'

/** A chain that only knows how to register nodes. */
export class MemoryLedger implements Ledger {
  readonly nodes = new Map<string, NodeValue>()
  readonly #values = new Map<string, Uint8Array>()
  readonly #blobs = new Map<string, Uint8Array>()
  submitted = 0
  isAway = false

  async head() {
    if (this.isAway) throw new XcareError('OFFLINE', 'the chain is away')
    return { height: 1, timeMs: 0, hash: new Uint8Array(32), chainId: 'xcare-test' }
  }

  async read(key: Uint8Array): Promise<ProvenValue> {
    if (this.isAway) throw new XcareError('OFFLINE', 'the chain is away')
    return { value: this.#values.get(toHex(key)) ?? null, height: 1, timeMs: 0 }
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
    if (!verifyTxSignatures(tx)) throw new XcareError('REFUSED', 'signature')
    this.submitted++
    for (const message of tx.body.messages) {
      if (message.type !== 'node.register') continue
      const { type, ...fields } = message
      const node: NodeValue = { ...fields, status: 'active' }
      this.nodes.set(node.nodeId, node)
      this.#values.set(toHex(nodeKey(node.nodeId)), nodeValue.encode(node))
    }
    this.#writeEpoch()
    return { height: 2 }
  }

  #writeEpoch(): void {
    const blob = encodeCbor([...this.nodes.values()].sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1)))
    const nodesHash = sha256(blob)
    this.#blobs.set(toHex(nodesHash), blob)
    const none = new Uint8Array(32)
    const nobody = encodeCbor([])
    const guardiansHash = sha256(nobody)
    this.#blobs.set(toHex(guardiansHash), nobody)
    const hashes = { seed: none, nodesHash, tableHash: none, guardiansHash }
    const epoch = { epoch: this.submitted, height: 1, ...hashes, nodeCount: this.nodes.size }
    this.#values.set(toHex(latestEpochKey()), epochValue.encode(epoch))
  }
}
