import type { Command } from 'commander'
import { toHex } from '../../bytes.ts'
import { objectIdFromBytes } from '../../ids.ts'
import { systemClock } from '../../sdk/clock.ts'
import { action, type Invocation } from '../invocation.ts'
import { withWallet } from '../light-node.ts'

/** Adds `grants`: the permissions this wallet gave; needs no network. */
export function addGrantsCommand(program: Command): void {
  program
    .command('grants')
    .description('list the permissions you gave: who may read what, why and until when')
    .option('--all', 'those that have ended or were taken back as well')
    .action(action(grants, 'shows'))
}

async function grants(invocation: Invocation, { all }: { all?: boolean }): Promise<Record<string, unknown>> {
  const { vault, close } = await withWallet(invocation)
  await close()
  const nowMs = systemClock.nowMs()
  const given = vault
    .issued()
    .map(({ grantId, granteeDid, granteeName, purpose, objectIds, notAfterMs, revoked }) => ({
      grantId: toHex(grantId),
      to: granteeName,
      did: granteeDid,
      purpose,
      until: new Date(notAfterMs).toISOString(),
      state: revoked ? 'revoked' : notAfterMs <= nowMs ? 'ended' : 'active',
      objects: objectIds.map((objectId) => ({
        objectId: objectIdFromBytes(objectId),
        name: vault.get(objectId)?.name ?? null,
        isPart: vault.get(objectId)?.kind === 'part',
      })),
    }))
    .filter(({ state }) => all || state === 'active')
  for (const grant of given)
    invocation.out.event({
      type: 'permission',
      ...grant,
      // Names may hold anything: only the sentence puts them on a terminal.
      names: grant.objects.filter(({ isPart }) => !isPart).map(({ name }) => name ?? 'a removed record'),
    })
  const none = all ? 'You gave no permission yet.' : 'No permission that you gave is open.'
  return { grants: given, ...(given.length === 0 ? { text: none } : {}) }
}
