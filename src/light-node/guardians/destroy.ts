import { equalBytes } from '../../bytes.ts'
import type { CustodyValue } from '../../chain-anchor/app/values.ts'
import { submitMessages } from '../../chain-anchor/light/submit-messages.ts'
import type { SigningKey } from '../../crypto/sign.ts'
import { destroyOrderFormat, destroyReceiptFormat } from '../../custody/destroy.ts'
import { XcareError } from '../../errors.ts'
import type { Clock, Ledger, Random, Transport } from '../../ports.ts'
import { askAll, askGuardian, type GuardianProblem, readGuardian } from './ask-guardian.ts'

/** What destroying custody needs of the world. */
export interface DestroyPorts {
  network: string
  ledger: Ledger
  transport: Transport
  clock: Clock
  random: Random
}

/** What became of the shares of an object. */
export interface Destroyed {
  /** Guardians that signed that they hold no share any more, of all guardians; and those that did not. */
  destroyed: number
  of: number
  left: string[]
  /** Whether so few shares can be left that they give no key. */
  shredded: boolean
  problems: GuardianProblem[]
}

/**
 * Ends the custody of an object: first on the chain, so that no guardian releases any more, then share by share. May be repeated
 * for guardians that were away. The owner's own copy of the key is the caller's to forget.
 * @param asked guardians that have not signed yet. @throws XcareError REFUSED, OFFLINE
 */
export async function destroyCustody(
  ports: DestroyPorts,
  custody: CustodyValue,
  ownerKey: SigningKey,
  asked: readonly string[] = custody.guardians,
): Promise<Destroyed> {
  const { network, transport, ledger, clock } = ports
  const { objectId, epoch } = custody
  if (custody.status === 'active')
    await submitMessages(ports, [{ type: 'custody.destroy', objectId }], [ownerKey])
  const order = destroyOrderFormat.sign(ownerKey, { v: 1, network, objectId, epoch, timeMs: clock.nowMs() })
  const { hash } = destroyOrderFormat.decode(order)
  const { good, problems } = await askAll([...asked], async (guardianId) => {
    const guardian = await readGuardian(ledger, guardianId)
    const { receipt } = await askGuardian(transport, guardian, { type: 'destroy', order }, 'destroyed')
    const { value } = destroyReceiptFormat.open(guardian.signKey, receipt)
    if (value.guardianId !== guardianId || !equalBytes(value.orderHash, hash))
      throw new XcareError('INTEGRITY', `the receipt of guardian ${guardianId} is for something else`)
    return guardianId
  })
  const left = asked.filter((guardianId) => !good.includes(guardianId))
  const destroyed = custody.m - left.length
  return { destroyed, of: custody.m, left, shredded: left.length < custody.t, problems }
}
