import type { Command } from 'commander'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'
import { hintsOf } from '../../src/cli/hints.ts'
import { xcareProgram } from '../../src/cli/program.ts'
import { lineOf, sources, visit } from '../house/sources.ts'

interface Sentence {
  where: string
  /** As it is written, with X for what is filled in. */
  text: string
  isNext: boolean
}

function sentencesWith(part: string): Sentence[] {
  const found: Sentence[] = []
  for (const [path, file] of sources)
    visit(file, (node) => {
      const text = textOf(node)
      if (!text?.includes(part)) return
      const isNext = ts.isPropertyAssignment(node.parent) && node.parent.name.getText() === 'next'
      found.push({ where: `${path}:${lineOf(file, node)}`, text, isNext })
    })
  return found
}

function textOf(node: ts.Node): string | null {
  if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) return node.text
  if (!ts.isTemplateExpression(node)) return null
  return node.head.text + node.templateSpans.map(({ literal }) => `node${literal.text}`).join('')
}

/** The program as it is, except that its commands do nothing. */
async function wholeProgram(): Promise<Command> {
  const program = await xcareProgram([])
  const quiet = (command: Command) => {
    command.exitOverride().configureOutput({ outputError: () => {}, writeOut: () => {}, writeErr: () => {} })
    if (command.commands.length === 0) command.action(() => {})
    for (const inner of command.commands) quiet(inner)
  }
  quiet(program)
  return program
}

const COMMAND = /npx xcare ([^`\n]*)/g
const commands = sentencesWith('npx xcare').flatMap(({ where, text, isNext }) =>
  [...text.matchAll(COMMAND)].map(([, words]) => ({ where, isNext, words: words!.trim() })),
)

describe('a command that a sentence names', () => {
  test('is named in many places', () => {
    expect(commands.length).toBeGreaterThan(20)
  })

  test.each(commands)('xcare $words, in $where, can be typed', async ({ words }) => {
    const program = await wholeProgram()
    const typed = words.split(' ')
    const [first] = typed
    expect(program.commands.map((command) => command.name()).concat('help')).toContain(first)
    await program.parseAsync(typed, { from: 'user' }).catch((error: { code?: string; message: string }) => {
      if (error.code !== 'commander.help' && error.code !== 'commander.helpDisplayed') throw error
    })
  })

  test.each(commands.filter(({ isNext }) => isNext))(
    'xcare $words, in $where, harms nothing',
    ({ words }) => {
      expect(words).not.toMatch(/^(rm (?!OBJECT)|revoke (?!GRANT))|--force/)
    },
  )

  test('stands in backticks, or ends its line: what is added to it must not land in a sentence', () => {
    for (const { where, text } of sentencesWith('npx xcare'))
      for (const [whole] of text.matchAll(/`?npx xcare [^`\n]*`?/g))
        expect(whole.startsWith('`') === whole.endsWith('`'), `${where}: ${whole}`).toBe(true)
  })
})

test('an option that a next step names belongs to some command', async () => {
  const known = new Set<string>()
  const collect = (command: Command) => {
    for (const { long, short } of command.options) for (const word of [long, short]) if (word) known.add(word)
    for (const inner of command.commands) collect(inner)
  }
  collect(await wholeProgram())
  for (const { where, text, isNext } of sentencesWith('-'))
    if (isNext)
      for (const [option] of text.matchAll(/(?<![\w-])--?[a-z][a-z-]*/g))
        expect([...known], where).toContain(option)
})

describe('the folder and the wallet in use', () => {
  async function hintsFor(...typed: string[]): Promise<(text: string) => string> {
    const program = await wholeProgram()
    let running: Command | null = null
    const watch = (command: Command) => {
      if (command.commands.length === 0)
        command.action((...args) => {
          running = args.at(-1)
        })
      for (const inner of command.commands) watch(inner)
    }
    watch(program)
    await program.parseAsync(typed, { from: 'user' })
    return hintsOf(running!)
  }

  test('are in every command that a sentence names', async () => {
    const hints = await hintsFor('ls', '--dir', '/data/my net', '--as', 'clinic')
    expect(hints('see `npx xcare status`, then `npx xcare ls`')).toBe(
      "see `npx xcare status --dir '/data/my net'`, then `npx xcare ls --dir '/data/my net' --as clinic`",
    )
    expect(hints('`npx xcare help`')).toBe('`npx xcare help`')
    expect(hints('`npx xcare wallet create --as NAME`')).toBe(
      "`npx xcare wallet create --as NAME --dir '/data/my net'`",
    )
    expect(hints('`npx xcare node run --dir /n`')).toBe('`npx xcare node run --dir /n`')
  })

  test('are left out where they are what they are without a word', async () => {
    const hints = await hintsFor('ls')
    expect(hints('see `npx xcare status`')).toBe('see `npx xcare status`')
  })
})
