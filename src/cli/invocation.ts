import { type Command, CommanderError } from 'commander'
import { XcareError } from '../errors.ts'
import { removeUnfinished } from '../sdk/file-target.ts'
import { isStandardOutput } from './channel.ts'
import { hintsOf } from './hints.ts'
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

/** What a command does to the world: `shows` nothing but words, so that without a reader it is over. */
export type Effect = 'acts' | 'shows'

const INTERRUPTED = new XcareError('INTERRUPTED', 'interrupted')

interface GlobalOptions {
  dir: string
  json?: boolean
  as: string
  passphraseFile?: string
  output?: string
}

/**
 * Makes a commander action of `run`: opens the output, turns what it returns into the result event and what it throws
 * into the error's text and exit code. The process ends when it is done, whatever sockets are still open.
 */
export function action<Args extends unknown[]>(
  run: (invocation: Invocation, ...args: Args) => Promise<Record<string, unknown> | null>,
  effect: Effect = 'acts',
): (...args: unknown[]) => Promise<void> {
  return async (...args) => {
    const invocation = invocationOf(args.at(-1) as Command)
    endCleanly(invocation)
    const { out } = invocation
    try {
      checkWalletName(invocation.wallet)
      const ran = run(invocation, ...(args.slice(0, -1) as Args))
      const result = await (effect === 'shows' ? Promise.race([ran, out.gone.then(() => null)]) : ran)
      if (result) out.result(result)
      const exitCode = typeof result?.exitCode === 'number' ? result.exitCode : 0
      // A part of a network, which has no result, does not end badly for want of its log.
      const unwritten = result === null ? null : await out.settled()
      await finish(out, exitCode === 0 && unwritten ? out.fail(unwritten).exitCode : exitCode)
    } catch (error) {
      await finish(out, out.fail(error).exitCode)
    }
  }
}

/** A result of which a part is missing: exit code 3. @param message names what. */
export function partial(
  fields: Record<string, unknown>,
  message: string,
  next?: string,
): Record<string, unknown> {
  const { code, exitCode, retryable } = new XcareError('PARTIAL', message)
  return { ...fields, code, message, ...(next ? { next } : {}), exitCode, retryable }
}

/** However the process ends, nothing half-written stays. */
function endCleanly(invocation: Invocation): void {
  let interrupted = false
  process.on('exit', removeUnfinished)
  const interrupt = async (signal: NodeJS.Signals) => {
    // Who sees to Ctrl-C itself still ends with its terminal.
    if (!invocation.atInterrupt && signal === 'SIGHUP') process.exit(INTERRUPTED.exitCode)
    // A terminal and a launcher may both pass Ctrl-C on.
    if (!invocation.atInterrupt || interrupted) return
    interrupted = true
    await invocation.atInterrupt().catch(() => {})
    await finish(invocation.out, invocation.out.fail(INTERRUPTED).exitCode)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt)
}

function invocationOf(command: Command): Invocation {
  const { dir, json, as, passphraseFile, output } = command.optsWithGlobals<GlobalOptions>()
  return {
    dir,
    wallet: as,
    passphraseFile: passphraseFile ?? null,
    out: openOutput({
      json: json === true,
      carriesRecord: isStandardOutput(output),
      hints: hintsOf(command),
    }),
    atInterrupt: async () => {},
  }
}

/** A wallet's name is a folder's name: it must not lead elsewhere. */
function checkWalletName(name: string): void {
  if (!/^[a-z0-9][a-z0-9._-]{0,40}$/.test(name))
    throw new XcareError('USAGE', `"${name.slice(0, 60)}" is not a wallet name: small letters, digits, . _ -`)
}

/** Ends the process once all output is out. */
async function finish(out: Output, exitCode: number): Promise<never> {
  await out.settled()
  process.exit(exitCode)
}

/**
 * Help that is asked for with an unknown command would hide that there is no such command.
 * @throws XcareError USAGE
 */
export function requireCommand(program: Command, words: string[]): void {
  const { operands } = program.parseOptions(words)
  let command = program
  for (const word of operands[0] === 'help' ? operands.slice(1) : operands) {
    if (command.commands.length === 0) return
    const inner = command.commands.find((one) => one.name() === word)
    if (!inner)
      throw new XcareError('USAGE', `unknown command '${word.slice(0, 60)}'`, {
        next: 'see `npx xcare help`',
      })
    command = inner
  }
}

/** Ends the process for an error that came before any command ran: a wrong option, an unknown command, or `--help`. */
export function failStart(error: unknown, argv: string[]): void {
  const told = (known: unknown) => {
    process.exitCode = openOutput({
      json: argv.includes('--json'),
      carriesRecord: carriesRecord(argv),
      hints: (text) => text,
    }).fail(known).exitCode
  }
  if (!(error instanceof CommanderError)) told(error)
  else if (error.exitCode !== 0) {
    const sentence =
      error.code === 'commander.help' ? 'a command is missing' : error.message.replace(/^error: /, '')
    told(new XcareError('USAGE', sentence, { next: 'see `npx xcare help`' }))
  }
}

function carriesRecord(argv: string[]): boolean {
  return argv.some((word, at) =>
    word === '-o' || word === '--output'
      ? isStandardOutput(argv[at + 1])
      : isStandardOutput(/^(-o|--output=)(.+)/.exec(word)?.[2]),
  )
}
