import type { Command } from 'commander'
import { toHex } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import { objectIdFromBytes, objectIdToBytes } from '../../ids.ts'
import { type RemovedObject, removeObject } from '../../light-node/remove-record.ts'
import { action, type Invocation } from '../invocation.ts'
import { withLightNode } from '../light-node.ts'
import { parseObjectId } from '../object-id.ts'

/** Adds `rm`: removes a record for good. */
export function addRmCommand(program: Command): void {
  program
    .command('rm')
    .description('remove a record for good: its key shares are destroyed, its fragments dropped')
    .argument('<object>')
    .action(action(rm))
}

async function rm(invocation: Invocation, object: string): Promise<Record<string, unknown>> {
  const id = toHex(objectIdToBytes(parseObjectId(object)))
  return withLightNode(invocation, async ({ ports, wallet }) => {
    const whole = wallet.vault.list().filter(({ objectId, partOf }) => toHex(partOf ?? objectId) === id)
    if (whole.length === 0)
      throw new XcareError('NOT_FOUND', 'that record is not one of yours', {
        next: '`npx xcare ls` lists yours',
      })
    const removed: RemovedObject[] = []
    for (const { objectId } of whole) removed.push(await removeObject(ports, objectIdFromBytes(objectId)))
    const shredded = removed.every(({ custody }) => custody.shredded)
    return {
      objectId: object,
      shredded,
      objects: removed.map(({ objectId, nodes, nodesOf, custody }) => ({
        ...{ objectId, nodes, nodesOf },
        ...{ destroyed: custody.destroyed, destroyedOf: custody.of },
      })),
      text: shredded
        ? 'Removed. Too few key shares are left for anyone to read a copy of it.'
        : 'Removed for readers. Some guardians were away and still hold a share: run the command again when they are back.',
    }
  })
}
