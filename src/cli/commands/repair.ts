import type { Command } from 'commander'
import { toHex } from '../../bytes.ts'
import { asXcareError, XcareError } from '../../errors.ts'
import type { VaultObject } from '../../identity/vault-entry.ts'
import { objectIdFromBytes, objectIdToBytes } from '../../ids.ts'
import { type RepairedObject, repairObject } from '../../light-node/repair/repair-object.ts'
import type { LightNode } from '../../sdk/open-light-node.ts'
import { action, type Invocation, partial } from '../invocation.ts'
import { withLightNode } from '../light-node.ts'
import { objectIdOf, requireObjectWord } from '../object-id.ts'
import { count, plainText, shortId } from '../sentences.ts'

/** Adds `repair`: makes lost fragments again. */
export function addRepairCommand(program: Command): void {
  program
    .command('repair')
    .description('look whether all fragments of your records are there, and make lost ones again')
    .argument('[record]', 'only this one: its id, or the first letters of it')
    .action(action(repair))
}

async function repair(invocation: Invocation, record?: string): Promise<Record<string, unknown>> {
  if (record !== undefined) requireObjectWord(record)
  return withLightNode(invocation, async (node) => {
    const id = record === undefined ? null : toHex(objectIdToBytes(objectIdOf(record, node.wallet.vault)))
    const all = node.wallet.vault.list()
    const wanted = all.filter(({ objectId, partOf }) => id === null || toHex(partOf ?? objectId) === id)
    if (id !== null && wanted.length === 0)
      throw new XcareError('NOT_FOUND', 'that record is not one of yours', {
        next: '`npx xcare ls` lists yours; only its owner can repair a record',
      })
    const repaired: RepairedObject[] = []
    const failed: XcareError[] = []
    for (const object of wanted) {
      const outcome = await repairOne(invocation, node, object)
      if (outcome instanceof XcareError) failed.push(outcome)
      else repaired.push(outcome)
    }
    if (failed.length > 0 && repaired.length === 0) throw failed[0]
    const isPartial = failed.length > 0 || repaired.some(({ away }) => away.length > 0)
    const told = { objects: repaired, failed: failed.length, ...summaryOf(wanted.length, repaired) }
    if (!isPartial) return told
    return partial(told, 'some columns are still missing', 'run `npx xcare repair` again later')
  })
}

/** Tells what became of one object; with several of them, one that cannot be repaired does not keep the others from it. */
async function repairOne(
  { out }: Invocation,
  { ports }: LightNode,
  { objectId, name }: VaultObject,
): Promise<RepairedObject | XcareError> {
  const id = objectIdFromBytes(objectId)
  try {
    const object = await repairObject(ports, id)
    const type = object.repaired.length + object.away.length > 0 ? 'repaired' : 'whole'
    out.event({ type, name, ...object, text: `${plainText(name)}: ${repairSentence(object)}` })
    return object
  } catch (error) {
    const known = asXcareError(error)
    const { code, message } = known
    out.event({ type: 'not-repaired', objectId: id, name, code, message })
    return known
  }
}

/** @returns what a person reads about one object, with the next step for each node that is away. */
export function repairSentence(object: RepairedObject): string {
  const { columns, columnsOf, repaired, away, unkept, unread, stripes } = object
  const made = repaired.map(({ node, columns: lost, fragments }) => {
    const what =
      fragments === lost.length * stripes ? count(lost.length, 'column') : count(fragments, 'fragment')
    return `${what} made again on storage node ${shortId(node)}`
  })
  const there = `${columns} of ${columnsOf} columns`
  const missing = away.map(({ node, columns: lost, code, message }) =>
    code === 'OFFLINE' || code === 'TIMEOUT'
      ? `\n  storage node ${shortId(node)} is away with ${count(lost.length, 'column')}: run \`npx xcare repair\` again when it is back`
      : `\n  storage node ${shortId(node)} left ${count(lost.length, 'column')} out: ${plainText(message)}`,
  )
  const never =
    unkept.length > 0
      ? `\n  ${count(unkept.length, 'column')} ${unkept.length === 1 ? 'is' : 'are'} kept by no node: they cannot be made again, and as many fewer may be lost`
      : ''
  const believed =
    unread.length > 0
      ? `\n  ${count(unread.length, 'storage node')} of an older version did not read its disk: what it has is only what it believes`
      : ''
  const what =
    made.length > 0
      ? `${made.join(', ')}: ${there}`
      : `${there} are there${away.length + unkept.length > 0 ? '' : ': nothing to do'}`
  return what + missing.join('') + never + believed
}

function summaryOf(objects: number, repaired: RepairedObject[]): { text?: string } {
  const sum = (of: (object: RepairedObject) => number) =>
    repaired.reduce((total, object) => total + of(object), 0)
  const [only] = repaired
  if (objects === 0) return { text: 'no records yet: store one with `npx xcare put FILE`' }
  // What was done is told already.
  if (objects === 1)
    return only && only.repaired.length + only.away.length === 0 ? { text: repairSentence(only) } : {}
  const made = sum((object) => object.repaired.reduce((total, { fragments }) => total + fragments, 0))
  const there = `${sum(({ columns }) => columns)} of ${sum(({ columnsOf }) => columnsOf)} columns of ${count(repaired.length, 'object')} are there`
  return { text: `${there}: ${made > 0 ? `${count(made, 'fragment')} made again` : 'nothing made again'}` }
}
