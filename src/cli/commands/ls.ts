import type { Command } from 'commander'
import { toHex } from '../../bytes.ts'
import { asXcareError, XcareError } from '../../errors.ts'
import type { Vault } from '../../identity/vault.ts'
import { LOSS_NEXT, lossWords } from '../../identity/vault-loss.ts'
import { objectIdFromBytes } from '../../ids.ts'
import { openRecord } from '../../light-node/get-record.ts'
import { readGrant } from '../../light-node/guardians/grant.ts'
import { fetchGrants } from '../../light-node/guardians/grants-inbox.ts'
import { heldObjects } from '../../light-node/guardians/shared-records.ts'
import { readNetworkView } from '../../light-node/network-view.ts'
import { readBundleEntries } from '../../light-node/range-read.ts'
import { systemClock } from '../../sdk/clock.ts'
import { action, type Invocation, partial } from '../invocation.ts'
import { withLightNode, withWallet } from '../light-node.ts'
import { objectIdOf, requireObjectWord } from '../object-id.ts'

/** Adds `ls`: the wallet's own records, what is shared with it, or what a bundle holds. */
export function addLsCommand(program: Command): void {
  program
    .command('ls')
    .description('list your records, or with a bundle named what it holds')
    .argument('[bundle]', 'its id, or the first letters of it')
    .option('--shared', 'what others let you read')
    .action(action(ls, 'shows'))
}

async function ls(
  invocation: Invocation,
  bundle: string | undefined,
  { shared }: { shared?: boolean },
): Promise<Record<string, unknown>> {
  if (bundle !== undefined && shared)
    throw new XcareError('USAGE', 'either a bundle or --shared', { next: 'leave one of them out' })
  if (bundle !== undefined) return listBundle(invocation, bundle)
  return shared ? listShared(invocation) : listOwn(invocation)
}

async function listOwn(invocation: Invocation): Promise<Record<string, unknown>> {
  const { vault, close } = await withWallet(invocation)
  await close()
  const removing = new Set(vault.removals().map(({ objectId }) => toHex(objectId)))
  const records = vault
    .list()
    .filter(({ kind }) => kind !== 'part')
    .map(({ objectId, name, mediaType, bytes, kind, createdMs }) => ({
      objectId: objectIdFromBytes(objectId),
      ...{ name, mediaType, bytes, kind, created: new Date(createdMs).toISOString() },
      ...(removing.has(toHex(objectId)) ? { removing: true } : {}),
    }))
  for (const record of records) invocation.out.event({ type: 'record', ...record })
  const loss = vault.loss()
  return loss ? partial({ records }, `the list is not complete: ${lossWords(loss)}`, LOSS_NEXT) : { records }
}

async function listShared(invocation: Invocation): Promise<Record<string, unknown>> {
  const { vault, states } = await withFreshLetters(invocation)
  const nowMs = systemClock.nowMs()
  const shared = heldObjects(vault).map(({ objectId, name, grantId, purpose, untilMs }) => ({
    objectId: objectIdFromBytes(objectId),
    ...{ name, grantId: toHex(grantId), purpose, until: new Date(untilMs).toISOString() },
    state: untilMs <= nowMs ? 'ended' : (states.get(toHex(grantId)) ?? 'unknown'),
  }))
  for (const record of shared) invocation.out.event({ type: 'shared', ...record })
  return { shared, ...(shared.length === 0 ? { text: 'Nobody shares a record with you.' } : {}) }
}

/** Fetches what waits at guardians; without a network what arrived earlier is told all the same. */
async function withFreshLetters(
  invocation: Invocation,
): Promise<{ vault: Vault; states: Map<string, string> }> {
  try {
    return await withLightNode(invocation, async ({ ports, wallet: { vault } }) => {
      await fetchGrants(ports, vault, (await readNetworkView(ports.ledger, null)).guardians)
      const ids = new Map(heldObjects(vault).map(({ grantId }) => [toHex(grantId), grantId]))
      const states = new Map<string, string>()
      for (const [id, grantId] of ids)
        states.set(id, (await readGrant(ports.ledger, grantId))?.status ?? 'unknown')
      return { vault, states }
    })
  } catch (error) {
    const { retryable, message } = asXcareError(error)
    if (!retryable) throw error
    invocation.out.event({ type: 'warning', text: `not asked for what is new: ${message}` })
    const { vault, close } = await withWallet(invocation)
    await close()
    return { vault, states: new Map() }
  }
}

async function listBundle(invocation: Invocation, bundle: string): Promise<Record<string, unknown>> {
  requireObjectWord(bundle)
  return withLightNode(invocation, async ({ ports, wallet, custodyKeyOf }) => {
    const objectId = objectIdOf(bundle, wallet.vault)
    const { sealed, head, close } = await openRecord(ports, objectId, custodyKeyOf)
    try {
      if (sealed.kind !== 'bundle')
        throw new XcareError('USAGE', `"${sealed.name}" is no bundle`, {
          next: 'read it with `npx xcare get OBJECT`',
        })
      const entries = (await readBundleEntries(head)).map(({ name, mediaType, length: bytes }) => ({
        ...{ name, mediaType, bytes },
      }))
      for (const entry of entries) invocation.out.event({ type: 'entry', ...entry })
      return { objectId, name: sealed.name, entries }
    } finally {
      close()
    }
  })
}
