import type { Command } from 'commander'
import { fromUtf8, utf8 } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import type { Vault } from '../../identity/vault.ts'
import { type Did, parseDid } from '../../ids.ts'
import { action, type Invocation } from '../invocation.ts'
import { withWallet } from '../light-node.ts'

/** One word, so that it can be typed as it is; not the beginning of a DID. */
const CONTACT_NAME = /^(?!did:)[\p{L}\p{N}][\p{L}\p{N}\p{M}._-]{0,39}$/u
const MARKER = 'contact/'

/** Adds `contact add`, `list` and `rm`: what this wallet calls the identities of others. */
export function addContactCommands(program: Command): void {
  const contact = program.command('contact').description('names of your own for the identities of others')
  contact
    .command('add')
    .description('call an identity by a name, in `grant` and in notices')
    .argument('<name>', 'one word')
    .argument('<did>', 'the identity, as its owner told it to you')
    .action(action(add))
  contact.command('list').description('your names for others').action(action(list, 'shows'))
  contact
    .command('rm')
    .description('forget a name; permissions stay as they are')
    .argument('<name>')
    .action(action(remove))
}

/** @returns the identity that this wallet calls `name`, or null. */
export function contactOf(vault: Vault, name: string): Did | null {
  const value = vault.marker(MARKER + name.normalize('NFC'))
  return value && value.length > 0 ? parseDid(fromUtf8(value)).did : null
}

async function add(invocation: Invocation, name: string, text: string): Promise<Record<string, unknown>> {
  const called = name.normalize('NFC')
  if (!CONTACT_NAME.test(called))
    throw new XcareError('USAGE', `"${name.slice(0, 60)}" is no name for a contact`, {
      next: 'use one word of letters, digits, . _ -',
    })
  const did = didOf(text)
  return withVault(invocation, async (vault) => {
    const before = contactOf(vault, called)
    if (before !== null && before !== did)
      throw new XcareError('USAGE', `"${called}" is ${before} already`, {
        next: 'forget that one first with `npx xcare contact rm NAME`, or choose another name',
      })
    await vault.setMarker(MARKER + called, utf8(did))
    return { name: called, contact: did, text: `${called} is ${did}` }
  })
}

async function list(invocation: Invocation): Promise<Record<string, unknown>> {
  return withVault(invocation, async (vault) => {
    const contacts = vault
      .markers(MARKER)
      .filter(({ value }) => value.length > 0)
      .map(({ name, value }) => ({ name: name.slice(MARKER.length), did: fromUtf8(value) }))
    for (const contact of contacts) invocation.out.event({ type: 'wallet', ...contact })
    const none = { text: 'no contacts yet: add one with `npx xcare contact add NAME DID`' }
    return { contacts, ...(contacts.length === 0 ? none : {}) }
  })
}

async function remove(invocation: Invocation, name: string): Promise<Record<string, unknown>> {
  return withVault(invocation, async (vault) => {
    if (contactOf(vault, name) === null)
      throw new XcareError('NOT_FOUND', `you call nobody "${name.slice(0, 60)}"`, {
        next: '`npx xcare contact list` shows your names',
      })
    await vault.setMarker(MARKER + name.normalize('NFC'), new Uint8Array(0))
    return { name, text: `${name} is forgotten.` }
  })
}

async function withVault(
  invocation: Invocation,
  use: (vault: Vault) => Promise<Record<string, unknown>>,
): Promise<Record<string, unknown>> {
  const { vault, close } = await withWallet(invocation)
  try {
    return await use(vault)
  } finally {
    await close()
  }
}

function didOf(text: string): Did {
  try {
    return parseDid(text).did
  } catch (cause) {
    throw new XcareError('USAGE', `"${text.slice(0, 80)}" is not a DID of an XCARE network`, { cause })
  }
}
