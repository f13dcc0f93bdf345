import type { Command } from 'commander'
import { toHex } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import { LOSS_NEXT, lossWords } from '../../identity/vault-loss.ts'
import { objectIdFromBytes } from '../../ids.ts'
import { action, type Invocation } from '../invocation.ts'
import { withWallet } from '../light-node.ts'

/** Adds `ls`: the wallet's own records; needs no network. */
export function addLsCommand(program: Command): void {
  program.command('ls').description('list your records').action(action(ls))
}

async function ls(invocation: Invocation): Promise<Record<string, unknown>> {
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
  if (loss)
    throw new XcareError('PARTIAL', `the list is not complete: ${lossWords(loss)}`, { next: LOSS_NEXT })
  return { records }
}
