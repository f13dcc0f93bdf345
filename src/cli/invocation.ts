import { type Command, CommanderError } from 'commander'
import { XcareError } from '../errors.ts'
import { removeUnfinished } from '../sdk/file-target.ts'
import { type Output, openOutput } from './output.ts'

/** What every command is told: the folder, the wallet, and where its events go. */
export interface Invocation {
  dir: string
  wallet: string
  passphraseFile: string | null
  out: Output
  /** What Ctrl-C does before the process ends with exit code 130; null when the command sees to it itself. */
  atInterrupt: (() => Promise<void>) | null
}

const INTERRUPTED = new XcareError('INTERRUPTED', 'interrupted')

interface GlobalOptions {
  dir: string
  json?: boolean
  as: string
  passphraseFile?: string
}

/**
 * Makes a commander action of `run`: opens the output, turns what it returns into the result event and what it throws
 * into the error's text and exit code. The process ends when it is done, whatever sockets are still open.
 */
export function action<Args extends unknown[]>(
  run: (invocation: Invocation, ...args: Args) => Promise<Record<string, unknown> | null>,
): (...args: unknown[]) => Promise<void> {
  return async (...args) => {
    const command = args.at(-1) as Command
    const invocation = invocationOf(command)
    let interrupted = false
    // However the process ends, nothing half-written stays.
    process.on('exit', removeUnfinished)
    const interrupt = async (signal: NodeJS.Signals) => {
      // Who sees to Ctrl-C itself still ends with its terminal.
      if (!invocation.atInterrupt && signal === 'SIGHUP') process.exit(INTERRUPTED.exitCode)
      // A terminal and a launcher may both pass Ctrl-C on.
      if (!invocation.atInterrupt || interrupted) return
      interrupted = true
      await invocation.atInterrupt().catch(() => {})
      await finish(invocation.out.fail(INTERRUPTED).exitCode)
    }
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt)
    try {
      checkWalletName(invocation.wallet)
      const result = await run(invocation, ...(args.slice(0, -1) as Args))
      if (result) invocation.out.result(result)
      await finish(typeof result?.exitCode === 'number' ? result.exitCode : 0)
    } catch (error) {
      await finish(invocation.out.fail(error).exitCode)
    }
  }
}

function invocationOf(command: Command): Invocation {
  const { dir, json, as, passphraseFile } = command.optsWithGlobals<GlobalOptions>()
  return {
    dir,
    wallet: as,
    passphraseFile: passphraseFile ?? null,
    out: openOutput(json === true),
    atInterrupt: async () => {},
  }
}

/** A wallet's name is a folder's name: it must not lead elsewhere. */
function checkWalletName(name: string): void {
  if (!/^[a-z0-9][a-z0-9._-]{0,40}$/.test(name))
    throw new XcareError('USAGE', `"${name.slice(0, 60)}" is not a wallet name: small letters, digits, . _ -`)
}

/** Ends the process once all output is out. */
async function finish(exitCode: number): Promise<never> {
  await new Promise<void>((resolve) => process.stdout.write('', () => resolve()))
  process.exit(exitCode)
}

/** Ends the process for an error that came before any command ran: a wrong option, an unknown command, or `--help`. */
export function failStart(error: unknown, argv: string[]): void {
  if (!(error instanceof CommanderError)) {
    process.exitCode = openOutput(argv.includes('--json')).fail(error).exitCode
    return
  }
  if (error.exitCode === 0 || error.code === 'commander.help') return
  const sentence = error.message.replace(/^error: /, '')
  const usage = new XcareError('USAGE', sentence, { next: 'see `npx xcare help`' })
  process.exitCode = openOutput(argv.includes('--json')).fail(usage).exitCode
}
