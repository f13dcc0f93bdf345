import type { Command } from 'commander'
import { fromHex, toHex } from '../../bytes.ts'
import { parsePurpose, purposeWords } from '../../custody/purpose.ts'
import { XcareError } from '../../errors.ts'
import type { Vault } from '../../identity/vault.ts'
import { type Did, objectIdToBytes, parseDid } from '../../ids.ts'
import { type GivenGrant, issueGrant, revokeGrant } from '../../light-node/guardians/grant.ts'
import { readIdentity } from '../../light-node/identity.ts'
import { readNetworkView } from '../../light-node/network-view.ts'
import { systemClock } from '../../sdk/clock.ts'
import { networkFolder } from '../../sdk/network/network-folder.ts'
import type { LightNode } from '../../sdk/open-light-node.ts'
import { listWallets, readWalletFile } from '../../sdk/wallet.ts'
import { action, type Invocation } from '../invocation.ts'
import { withLightNode } from '../light-node.ts'
import { objectIdOf, requireObjectWord } from '../object-id.ts'
import { parseUntil } from '../until.ts'
import { contactOf } from './contact.ts'

interface GrantOptions {
  to: string
  purpose: string
  until: string
}

/** Adds `grant` and `revoke`. */
export function addGrantCommands(program: Command): void {
  program
    .command('grant')
    .description('let somebody read records of yours')
    .argument('<object...>', 'their ids, or the first letters of them')
    .requiredOption('--to <who>', 'a DID, the name of a contact, or of a wallet on this machine')
    .option('--purpose <code>', 'why, as an HL7 purpose of use', 'TREAT')
    .option('--until <time>', 'until when: 30d, 12h, 2027-03-01', '30d')
    .action(action(grant))
  program
    .command('revoke')
    .description('take a permission back')
    .argument('<grant>', 'its id, as `npx xcare grants` lists it, or the first letters of it')
    .action(action(revoke))
}

async function grant(
  invocation: Invocation,
  objects: string[],
  { to, purpose, until }: GrantOptions,
): Promise<Record<string, unknown>> {
  const untilMs = parseUntil(until, systemClock.nowMs())
  const why = parsePurpose(purpose)
  for (const object of objects) requireObjectWord(object)
  const known = await didOfWords(invocation, to)
  return withLightNode(invocation, async (node) => {
    const did = known ?? contactOf(node.wallet.vault, to)
    if (!did) throw await nobodyCalled(invocation, to)
    const ids = objects.map((object) => objectIdToBytes(objectIdOf(object, node.wallet.vault)))
    const given = await giveGrant(node, { did, name: to, ids, purpose: why, untilMs })
    const grantId = toHex(given.held.grant.grantId)
    const end = new Date(untilMs).toISOString()
    return {
      ...{ grantId, to: did, purpose: why, until: end, mailboxes: given.mailboxes },
      text: `${to} may now read ${ids.length === 1 ? 'this record' : `these ${ids.length} records`} ${purposeWords(why)} until ${end.slice(0, 16)}.\n  take it back with: \`npx xcare revoke ${grantId}\``,
    }
  })
}

/** A permission in words of the command line. */
export interface GrantWords {
  did: Did
  name: string
  /** Own objects, 32 bytes each. */
  ids: Uint8Array[]
  purpose: ReturnType<typeof parsePurpose>
  untilMs: number
}

/** Gives a permission for own records, all their parts included. @throws XcareError NOT_FOUND for records that are not the wallet's. */
export async function giveGrant(node: LightNode, wish: GrantWords): Promise<GivenGrant> {
  const { ports } = node
  const { did, name, ids, purpose, untilMs } = wish
  const objects = ids.flatMap((id) => ownObjects(node, id))
  const { guardians } = await readNetworkView(ports.ledger, null)
  const to = await readIdentity(ports.ledger, did)
  return issueGrant(ports, guardians, { to, name, objects, purpose, untilMs })
}

function ownObjects({ wallet }: LightNode, id: Uint8Array): { objectId: Uint8Array; name: string }[] {
  const whole = wallet.vault.get(id)
  if (!whole)
    throw new XcareError('NOT_FOUND', 'that record is not one of yours', {
      next: '`npx xcare ls` lists yours',
    })
  const parts = wallet.vault.list().filter(({ partOf }) => partOf && toHex(partOf) === toHex(id))
  return [whole, ...parts].map(({ objectId, name }) => ({ objectId, name }))
}

async function revoke(invocation: Invocation, word: string): Promise<Record<string, unknown>> {
  if (!/^[0-9a-f]{4,32}$/.test(word))
    throw new XcareError('USAGE', `"${word.slice(0, 40)}" is not the id of a permission`, {
      next: '`npx xcare grants` lists those you gave',
    })
  return withLightNode(invocation, async ({ ports, wallet }) => {
    const id = grantIdOf(word, wallet.vault)
    await revokeGrant(ports, fromHex(id))
    return {
      grantId: id,
      text: 'Taken back. What was read before cannot be unread; from now on guardians refuse.',
    }
  })
}

function grantIdOf(word: string, vault: Vault): string {
  const fitting = vault
    .issued()
    .map(({ grantId }) => toHex(grantId))
    .filter((id) => id.startsWith(word))
  if (fitting.length === 1) return fitting[0]!
  const next = '`npx xcare grants --all` lists those you gave'
  if (fitting.length === 0) throw new XcareError('NOT_FOUND', 'this wallet gave no such permission', { next })
  throw new XcareError('USAGE', `${fitting.length} permissions begin with ${word}`, { next })
}

/**
 * @returns null for what may be a contact: that only the open wallet knows.
 * @throws XcareError USAGE when it can be nobody
 */
async function didOfWords(invocation: Invocation, to: string): Promise<Did | null> {
  if (to.startsWith('did:')) return parsedDid(to)
  const folder = networkFolder(invocation.dir)
  const names = await listWallets(folder)
  if (names.includes(to)) return (await readWalletFile(folder.wallet(to))).did
  if (names.includes(invocation.wallet)) return null
  throw await nobodyCalled(invocation, to)
}

async function nobodyCalled({ dir }: Invocation, to: string): Promise<XcareError> {
  const names = await listWallets(networkFolder(dir))
  const there = names.length > 0 ? `; there are the wallets ${names.join(', ')}` : ''
  return new XcareError(
    'USAGE',
    `"${to.slice(0, 60)}" is neither a DID nor a wallet on this machine nor a contact`,
    { next: `name somebody with \`npx xcare contact add NAME DID\`${there}` },
  )
}

function parsedDid(text: string): Did {
  try {
    return parseDid(text).did
  } catch (cause) {
    throw new XcareError('USAGE', `"${text.slice(0, 80)}" is not a DID of an XCARE network`, { cause })
  }
}
