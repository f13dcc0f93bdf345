import { toHex } from '../../src/bytes.ts'
import { custodyKey } from '../../src/chain-anchor/app/keys.ts'
import { custodyRecordHash, custodyValue, type GuardianValue } from '../../src/chain-anchor/app/values.ts'
import { type KemKey, kemKeyFromSeed } from '../../src/crypto/envelope.ts'
import { type SigningKey, signingKeyFromSeed } from '../../src/crypto/sign.ts'
import { shareCommitment } from '../../src/custody/deal.ts'
import { depositFormat, depositReceiptFormat, openDeposit } from '../../src/custody/deposit.ts'
import { destroyOrderFormat, destroyReceiptFormat } from '../../src/custody/destroy.ts'
import type { FrameStream } from '../../src/ports.ts'
import { answerFrame, requestFrame } from '../../src/wire/custody-protocol.ts'
import { seededBytes } from '../storage-node/made-object.ts'
import { type MemoryChain, NETWORK } from './memory-chain.ts'

/** A guardian that takes shares and destroys them, and does nothing else. */
export class MemoryGuardian {
  readonly guardianId: string
  isDown = false
  /** Objects whose shares it destroyed, as hex, each time it was told to. */
  readonly destroyed: string[] = []
  readonly #signing: SigningKey
  readonly #kem: KemKey

  private constructor(at: number, kem: KemKey) {
    this.guardianId = `guardian-${at}`
    this.#signing = signingKeyFromSeed(seededBytes(4000 + at, 32))
    this.#kem = kem
  }

  static async make(at: number): Promise<MemoryGuardian> {
    return new MemoryGuardian(at, await kemKeyFromSeed(seededBytes(5000 + at, 32)))
  }

  value(): GuardianValue {
    const keys = { signKey: this.#signing.publicKey, kemKey: this.#kem.publicKey }
    const place = { jurisdiction: 'test', addresses: [], epoch: 1, status: 'active' as const }
    return { guardianId: this.guardianId, instId: `inst-${this.guardianId}`, ...keys, ...place }
  }

  async serve(stream: FrameStream, chain: MemoryChain): Promise<void> {
    const request = requestFrame.decode((await stream.read(1e6, 1e4))!)
    if (request.type === 'destroy') return this.#destroy(stream, request.order)
    if (request.type !== 'deposit') throw new Error(`no ${request.type} here`)
    const deposit = depositFormat.decode(request.deposit).value
    const terms = custodyValue.decode(chain.get(custodyKey(deposit.objectId))!)
    const share = await openDeposit(this.#kem, custodyRecordHash(terms), deposit.index, deposit.sealed)
    const { objectId, version, epoch, index } = deposit
    const receipt = depositReceiptFormat.sign(this.#signing, {
      ...{ v: 1, network: NETWORK, guardianId: this.guardianId, objectId, version, epoch, index },
      ...{ commitment: shareCommitment(terms, share), height: 10 },
    })
    await stream.write(answerFrame.encode({ type: 'deposited', receipt }))
    await stream.close()
  }

  async #destroy(stream: FrameStream, statement: Uint8Array): Promise<void> {
    const { value, hash } = destroyOrderFormat.decode(statement)
    const { objectId, epoch } = value
    this.destroyed.push(toHex(objectId))
    const receipt = destroyReceiptFormat.sign(this.#signing, {
      ...{ v: 1, network: NETWORK, guardianId: this.guardianId, objectId, epoch },
      ...{ orderHash: hash, hadShare: true, timeMs: 1 },
    })
    await stream.write(answerFrame.encode({ type: 'destroyed', receipt }))
    await stream.close()
  }
}
