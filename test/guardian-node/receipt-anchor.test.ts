import { expect, test } from 'vitest'
import { receiptKey } from '../../src/chain-anchor/app/keys.ts'
import { receiptHeadValue } from '../../src/chain-anchor/app/values.ts'
import { firstLink, nextLink } from '../../src/custody/release/receipt.ts'
import { openGuardian } from '../../src/guardian-node/guardian.ts'
import type { GuardianEvent } from '../../src/guardian-node/parts.ts'
import { NETWORK, World } from './world.ts'

/** @returns the log of guardian 0 up to its first event that `ends` says, after a start. */
async function logUntil(world: World, ends: (event: GuardianEvent) => boolean): Promise<GuardianEvent[]> {
  const { keys } = world.guardians[0]!
  const { clock, random, chain } = world
  const log: GuardianEvent[] = []
  await world.guardians[0]!.guardian.stop()
  await new Promise<void>((resolve) => {
    world.guardians[0]!.guardian = openGuardian({
      ...{
        dir: world.folderOf(0),
        network: NETWORK,
        keys,
        clock,
        random,
        ledger: chain.ledger(),
        broadcast: null,
      },
      log: (event) => {
        log.push(event)
        if (ends(event)) resolve()
      },
    })
  })
  return log
}

test('what is not anchored yet is brought with all its hashes; a disk that lacks anchored receipts anchors nothing', async () => {
  const world = await World.open('anchor', 2)
  try {
    const owner = await world.person('owner')
    const clinic = await world.person('clinic')
    const object = await world.keep(owner, 'Blood test', 2)
    const held = await world.grant(owner, clinic, object)
    const { guardianId } = world.guardians[0]!.keys
    for (let at = 0; at < 3; at++)
      await world.ask(0, await world.releaseFrame(clinic, held, object.objectId, 0))
    await world.guardians[0]!.guardian.stop()
    world.chain.set(receiptKey(guardianId), null)
    world.chain.submitted = []
    await logUntil(world, ({ type }) => type === 'anchored')
    const [extend] = world.chain.submitted
    if (extend?.type !== 'receipt.extend') throw new Error('nothing was anchored')
    let link = firstLink(NETWORK, guardianId)
    for (let at = 0; at < extend.hashes.length; at += 32)
      link = nextLink(link, extend.hashes.subarray(at, at + 32))
    expect(extend).toMatchObject({ from: 0, head: link })
    expect(extend.hashes).toHaveLength(3 * 32)

    const newer = { guardianId, seq: 4, count: 4, head: nextLink(link, new Uint8Array(32)) }
    world.chain.set(receiptKey(guardianId), receiptHeadValue.encode(newer))
    world.chain.submitted = []
    const log = await logUntil(world, ({ type }) => type === 'failed')
    expect(log).toContainEqual({ type: 'failed', what: 'anchor', code: 'INTEGRITY' })
    expect(world.chain.submitted).toEqual([])
  } finally {
    await world.close()
  }
})
