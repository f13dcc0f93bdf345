import { afterEach, describe, expect, test } from 'vitest'
import type { Message } from '../../src/chain-anchor/app/messages.ts'
import { buildTx } from '../../src/chain-anchor/app/tx.ts'
import type { SigningKey } from '../../src/crypto/sign.ts'
import { newObject } from '../../src/identity/keypair.ts'
import { CHAIN_ID, make, seeded, tx } from '../chain-anchor/app/chain-actors.ts'
import { TestChain } from '../chain-anchor/app/memory-state.ts'
import { openPutOf, seededBytes } from '../storage-node/made-object.ts'
import { ServedNode } from '../storage-node/served-node.ts'
import { Stranger } from './stranger.ts'

const stranger = new Stranger()
afterEach(() => stranger.leave())

const signed = (message: Message, signer: SigningKey) =>
  buildTx({
    ...{ chainId: CHAIN_ID, uniqueId: seeded(JSON.stringify(signer.publicKey), 16), validUntilHeight: 500 },
    ...{ messages: [message], signers: [signer] },
  })

describe('who sees the name of an object while it is put', () => {
  test('cannot anchor it first: the owner, who comes later, can', () => {
    const chain = new TestChain()
    chain.block(
      tx('1', [make.institution('a')], ['governor']),
      tx('2', [make.node('a')], ['inst a', 'node a']),
    )
    const { objectId, ownerKey } = newObject(seeded('root'), { bytes: (length) => seeded('nonce', length) })
    const thief = stranger.key()
    const anchor = (key: SigningKey) =>
      signed(make.record('o', 'owner', { objectId, ownerKey: key.publicKey }), key)
    expect(chain.block(anchor(thief))).toEqual([expect.stringMatching(/does not follow from the key/)])
    expect(chain.block(anchor(ownerKey))).toEqual(['ok'])
  })

  test('cannot finish another object under it at a storage node: the owner can', async () => {
    const node = await ServedNode.start()
    try {
      const own = stranger.object()
      const { objectId } = own
      const order = openPutOf(own)
      const thief = stranger.object()
      const stolen = { ...thief, objectId }
      expect(await node.connect().putColumn(stolen)).toMatchObject({ op: 'ERR', code: 'REFUSED' })
      expect(order.objectId).toEqual(objectId)
      expect(await node.connect().putColumn(own)).toMatchObject({ op: 'RECEIPT' })
    } finally {
      await node.stop()
    }
  })

  test('finds no second key for it, however many it makes', () => {
    const chain = new TestChain()
    chain.block()
    const objectId = seededBytes(77, 32)
    for (let tries = 0; tries < 50; tries++) {
      const key = stranger.key()
      const squat = make.record('o', 'owner', { objectId, ownerKey: key.publicKey })
      expect(chain.block(signed(squat, key))[0]).toMatch(/does not follow/)
    }
  })
})
