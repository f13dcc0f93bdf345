import type { Command } from 'commander'
import { toHex } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import type { Vault } from '../../identity/vault.ts'
import type { VaultObject } from '../../identity/vault-entry.ts'
import { objectIdFromBytes, objectIdToBytes } from '../../ids.ts'
import { type RemovedObject, removeObject } from '../../light-node/remove-record.ts'
import { confirm } from '../confirm.ts'
import { action, type Invocation, partial } from '../invocation.ts'
import { withLightNode } from '../light-node.ts'
import { objectIdOf, requireObjectWord } from '../object-id.ts'
import { count, shortId } from '../sentences.ts'

/** Adds `rm`: removes a record for good. */
export function addRmCommand(program: Command): void {
  program
    .command('rm')
    .description('remove a record for good: its key shares are destroyed, its fragments dropped')
    .argument('<object>')
    .option('--yes', 'do not ask first')
    .action(action(rm))
}

async function rm(
  invocation: Invocation,
  object: string,
  { yes }: { yes?: boolean },
): Promise<Record<string, unknown>> {
  requireObjectWord(object)
  return withLightNode(invocation, async ({ ports, wallet }) => {
    const id = toHex(objectIdToBytes(objectIdOf(object, wallet.vault)))
    const whole = wallet.vault.list().filter(({ objectId, partOf }) => toHex(partOf ?? objectId) === id)
    if (whole.length === 0)
      throw new XcareError('NOT_FOUND', 'that record is not one of yours', {
        next: '`npx xcare ls` lists yours',
      })
    if (!yes && !isBegun(wallet.vault, whole)) await confirm(`Remove ${nameOf(whole)} for good?`)
    const removed: RemovedObject[] = []
    for (const { objectId } of whole) removed.push(await removeObject(ports, objectIdFromBytes(objectId)))
    return told(object, removed)
  })
}

function isBegun(vault: Vault, whole: VaultObject[]): boolean {
  const begun = new Set(vault.removals().map(({ objectId }) => toHex(objectId)))
  return whole.some(({ objectId }) => begun.has(toHex(objectId)))
}

function nameOf(whole: VaultObject[]): string {
  return `"${(whole.find(({ kind }) => kind !== 'part') ?? whole[0]!).name}"`
}

function told(object: string, removed: RemovedObject[]): Record<string, unknown> {
  const shredded = removed.every((one) => one.shredded)
  const fields = { objectId: object, shredded, objects: removed }
  if (removed.every(({ complete }) => complete))
    return { ...fields, text: 'Removed. Too few key shares are left for anyone to read a copy of it.' }
  const guardians = new Set(removed.flatMap(({ guardiansLeft }) => guardiansLeft))
  const nodes = Math.max(...removed.map((one) => one.nodesOf - one.nodes))
  const away = [
    ...(guardians.size > 0 ? [`guardians ${[...guardians].map(shortId).join(', ')}`] : []),
    ...(nodes > 0 ? [count(nodes, 'storage node')] : []),
  ].join(' and ')
  const state = shredded ? 'nobody can read it any more' : 'the guardians give nobody its key any more'
  return partial(
    fields,
    `being removed: ${state}, but ${away} did not confirm it and still hold a part`,
    `it goes on by itself when they are back; to go on at once: \`npx xcare rm ${object}\``,
  )
}
