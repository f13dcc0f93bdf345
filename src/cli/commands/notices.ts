import type { Command } from 'commander'
import { toHex } from '../../bytes.ts'
import { NOTICE_TOPIC, readNotice } from '../../custody/notice.ts'
import { objectIdFromBytes } from '../../ids.ts'
import { fetchNotices, type Notices, recogniseNotice } from '../../light-node/guardians/notices.ts'
import { addressOf, readNetworkView } from '../../light-node/network-view.ts'
import { DIAL_MS, RECEIPT_ANCHOR_DELAY_MS } from '../../limits.ts'
import { systemClock } from '../../sdk/clock.ts'
import type { LightNode } from '../../sdk/open-light-node.ts'
import { action, type Invocation } from '../invocation.ts'
import { withLightNode } from '../light-node.ts'

/** Guardians anchor their receipts together, a moment after a reading. */
const RECEIPTS_ANCHORED_MS = RECEIPT_ANCHOR_DELAY_MS + 1_000

/** Adds `notices`: who read what, why and when. */
export function addNoticesCommand(program: Command): void {
  program
    .command('notices')
    .description('who read your records or asked to, why and when')
    .option('--follow', 'stay and tell of every reading as it happens, until Ctrl-C')
    .action(action(notices, 'shows'))
}

async function notices(
  invocation: Invocation,
  { follow }: { follow?: boolean },
): Promise<Record<string, unknown>> {
  const topics = follow ? [NOTICE_TOPIC] : []
  return withLightNode(
    invocation,
    async (node) => {
      const found = await tellNew(invocation, node)
      if (follow) await followNotices(invocation, node)
      const count = found.notices.length
      const none = count === 0 ? { text: 'Nobody but you has asked for your records.' } : {}
      return { notices: count, arrived: found.arrived, ...none }
    },
    { topics },
  )
}

async function tellNew({ out }: Invocation, { ports, wallet }: LightNode, known = 0): Promise<Notices> {
  const found = await fetchNotices(ports, wallet.vault)
  for (const notice of noticeEvents(found).slice(0, found.notices.length - known)) out.event(notice)
  for (const { guardianId, error } of found.problems)
    out.event({ type: 'guardian-refused', guardian: guardianId, code: error.code, message: error.message })
  return found
}

/** Gossip only says that there is news; what happened is asked of the guardians and checked as always. */
async function followNotices(invocation: Invocation, node: LightNode): Promise<never> {
  const { ports, wallet, peer } = node
  let known = (await fetchNotices(ports, wallet.vault)).notices.length
  let telling = Promise.resolve()
  peer.broadcast.subscribe(NOTICE_TOPIC, (payload) => {
    if (!readNotice(payload, ports.network)) return false
    if (recogniseNotice(payload, ports.network, wallet.root, wallet.vault))
      telling = telling
        .then(() => systemClock.sleep(RECEIPTS_ANCHORED_MS))
        .then(async () => {
          known = (await tellNew(invocation, node, known)).notices.length
        })
        .catch(() => {})
    return true
  })
  const { nodes, guardians } = await readNetworkView(ports.ledger, null)
  const neighbours = [...guardians, ...nodes].map(addressOf)
  await Promise.allSettled(neighbours.map((to) => peer.connect(to, AbortSignal.timeout(DIAL_MS))))
  invocation.out.event({ type: 'following' })
  return new Promise(() => {})
}

/** @returns one event for each notice, newest first. */
export function noticeEvents({ notices }: Notices): ({ type: 'notice' } & Record<string, unknown>)[] {
  return notices.map(({ sentence, timeMs, objectId, grantId, ...facts }) => ({
    type: 'notice' as const,
    text: sentence,
    time: new Date(timeMs).toISOString(),
    objectId: objectIdFromBytes(objectId),
    grantId: toHex(grantId),
    ...facts,
  }))
}
