import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { fromUtf8 } from '../bytes.ts'
import { XcareError } from '../errors.ts'
import { readOrNull } from '../sdk/folder.ts'
import { networkFolder } from '../sdk/network/network-folder.ts'
import type { Invocation } from './invocation.ts'

/**
 * The passphrase of a wallet: from the file given with --passphrase-file, else from the file that `up` leaves beside
 * the wallets it makes, else asked for on the terminal. Never an argument, never shown.
 * @throws XcareError USAGE when nobody can be asked, FILE_UNREADABLE when the given file is absent.
 */
export async function passphraseOf(invocation: Invocation): Promise<string> {
  const kept = await keptPassphrase(invocation)
  return kept ?? ask(`Passphrase of wallet "${invocation.wallet}": `)
}

/** A passphrase for a new wallet; typed twice when it is typed. @throws XcareError as passphraseOf, USAGE when the two differ. */
export async function newPassphrase(invocation: Invocation): Promise<string> {
  const kept = await keptPassphrase(invocation)
  const first = kept ?? (await ask(`New passphrase for wallet "${invocation.wallet}": `))
  if (first.length < 8) throw new XcareError('USAGE', 'a passphrase needs at least 8 characters')
  if (kept === null && (await ask('Once more: ')) !== first)
    throw new XcareError('USAGE', 'the two passphrases differ')
  return first
}

async function keptPassphrase({ dir, wallet, passphraseFile }: Invocation): Promise<string | null> {
  const path = passphraseFile ?? join(networkFolder(dir).wallet(wallet), 'passphrase')
  const content = await readOrNull(path)
  if (content) return fromUtf8(content).split('\n')[0]!
  if (passphraseFile) throw new XcareError('FILE_UNREADABLE', `there is no file ${passphraseFile}`)
  return null
}

async function ask(question: string): Promise<string> {
  if (!process.stdin.isTTY)
    throw new XcareError('USAGE', 'a passphrase is needed and there is no terminal to ask on', {
      next: 'name a file that holds it with --passphrase-file',
    })
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const terminal = createInterface({ input: process.stdin, output: silent, terminal: true })
  process.stderr.write(question)
  try {
    return await terminal.question('')
  } finally {
    terminal.close()
    process.stderr.write('\n')
  }
}
