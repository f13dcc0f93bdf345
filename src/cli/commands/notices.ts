import type { Command } from 'commander'
import { toHex } from '../../bytes.ts'
import { objectIdFromBytes } from '../../ids.ts'
import { fetchNotices, type Notices } from '../../light-node/guardians/notices.ts'
import { action, type Invocation } from '../invocation.ts'
import { withLightNode } from '../light-node.ts'

/** Adds `notices`: who read what, why and when. */
export function addNoticesCommand(program: Command): void {
  program.command('notices').description('who read your records, why and when').action(action(notices))
}

async function notices(invocation: Invocation): Promise<Record<string, unknown>> {
  const found = await withLightNode(invocation, ({ ports, wallet }) => fetchNotices(ports, wallet.vault))
  for (const notice of noticeEvents(found)) invocation.out.event(notice)
  for (const { guardianId, error } of found.problems)
    invocation.out.event({
      type: 'guardian-refused',
      guardian: guardianId,
      code: error.code,
      message: error.message,
    })
  const count = found.notices.length
  return {
    notices: count,
    arrived: found.arrived,
    ...(count === 0 ? { text: 'Nobody but you has read your records.' } : {}),
  }
}

/** @returns one event for each notice, newest first. */
export function noticeEvents({ notices }: Notices): ({ type: 'notice' } & Record<string, unknown>)[] {
  return notices.map(({ sentence, timeMs, objectId, grantId, purpose, granteeDid, agreed, of }) => ({
    type: 'notice' as const,
    text: sentence,
    time: new Date(timeMs).toISOString(),
    objectId: objectIdFromBytes(objectId),
    grantId: toHex(grantId),
    ...{ purpose, granteeDid, agreed, of },
  }))
}
