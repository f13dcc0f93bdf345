import { createInterface } from 'node:readline/promises'
import { XcareError } from '../errors.ts'

/**
 * Asks on the terminal before something that cannot be undone. Where there is no terminal, the command itself
 * is the answer.
 * @throws XcareError INTERRUPTED unless the answer is yes
 */
export async function confirm(question: string): Promise<void> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await terminal.question(`${question} [y/N] `)
    if (/^\s*y(es)?\s*$/i.test(answer)) return
  } finally {
    terminal.close()
  }
  throw new XcareError('INTERRUPTED', 'nothing was changed')
}
