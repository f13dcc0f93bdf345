import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { XcareError } from '../errors.ts'
import { passphrasesIn, requireStrong } from '../identity/passphrase.ts'
import { readOrNull } from '../sdk/folder.ts'
import { networkFolder } from '../sdk/network/network-folder.ts'
import { PASSPHRASE_FILE } from '../sdk/wallet.ts'
import type { Invocation } from './invocation.ts'

/**
 * The passphrase of a wallet: from the file given with --passphrase-file, else from the file that `up` leaves beside
 * the wallets it makes, else asked for on the terminal. Never an argument, never shown.
 * @returns forms of it to be tried in their order.
 * @throws XcareError USAGE when nobody can be asked, FILE_UNREADABLE when the given file is absent.
 */
export async function passphraseOf(invocation: Invocation): Promise<string[]> {
  const kept = await keptPassphrase(invocation)
  return kept ?? [await ask(`Passphrase of wallet "${invocation.wallet}": `)]
}

/**
 * A passphrase for a new wallet; typed twice when it is typed.
 * @throws XcareError as passphraseOf, USAGE when it is weak or the two differ.
 */
export async function newPassphrase(invocation: Invocation): Promise<string> {
  const kept = await keptPassphrase(invocation)
  return kept ? strong(kept.at(-1)!) : chosenPassphrase(invocation, null)
}

/** Another passphrase for a wallet: from a file, else typed twice. @throws XcareError as newPassphrase */
export async function chosenPassphrase({ wallet }: Invocation, file: string | null): Promise<string> {
  if (file !== null) return strong((await fromFile(file)).at(-1)!)
  const first = strong(await ask(`New passphrase for wallet "${wallet}": `))
  if ((await ask('Once more: ')).normalize('NFKC') !== first.normalize('NFKC'))
    throw new XcareError('USAGE', 'the two passphrases differ')
  return first
}

function strong(passphrase: string): string {
  requireStrong(passphrase)
  return passphrase
}

async function keptPassphrase({ dir, wallet, passphraseFile }: Invocation): Promise<string[] | null> {
  if (passphraseFile) return fromFile(passphraseFile)
  const content = await readOrNull(join(networkFolder(dir).wallet(wallet), PASSPHRASE_FILE))
  return content && passphrasesIn(content)
}

async function fromFile(path: string): Promise<string[]> {
  const content = await readOrNull(path)
  if (!content) throw new XcareError('FILE_UNREADABLE', `there is no file ${path}`)
  return passphrasesIn(content)
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
