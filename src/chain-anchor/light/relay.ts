import { asXcareError } from '../../errors.ts'
import type { Broadcast } from '../../ports.ts'
import { HEADERS_TOPIC, TXS_TOPIC } from '../../wire/topics.ts'
import { decodeTx, verifyTxSignatures } from '../app/tx.ts'
import { decodeLightBlock } from '../comet/decode.ts'
import { checkLightBlock } from './verifier.ts'

/**
 * Carries the chain's gossip for others: light blocks that more than 2/3 of their own validators signed, and transactions
 * with good signatures, both of this network only. Whether the validators are the right ones is for each light client to judge.
 * @param onHeader told of every height that passed.
 */
export function relayChainGossip(
  broadcast: Broadcast,
  network: string,
  onHeader: (height: number) => void = () => {},
): void {
  broadcast.subscribe(HEADERS_TOPIC, (payload) =>
    passes(() => {
      const block = decodeLightBlock(payload)
      checkLightBlock(network, block)
      onHeader(block.header.height)
      return true
    }),
  )
  broadcast.subscribe(TXS_TOPIC, (payload) =>
    passes(() => {
      const tx = decodeTx(payload)
      return tx.body.chainId === network && verifyTxSignatures(tx)
    }),
  )
}

/** A payload that is not what its topic carries does not travel on; a failure of our own is nobody's fault. */
function passes(check: () => boolean): boolean {
  try {
    return check()
  } catch (error) {
    const { code } = asXcareError(error)
    if (code === 'MALFORMED' || code === 'INTEGRITY') return false
    throw error
  }
}
