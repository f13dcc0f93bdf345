import type { Command } from 'commander'

/** Commands that use a wallet. */
const OF_A_WALLET = /^(put|get|ls|rm|repair|grant|grants|revoke|notices|contact|wallet)\b/
/** Commands that say themselves which folder they mean, or need none. */
const OF_NO_FOLDER = /^(help|bench|node init)\b|--dir\b/
// A command stands in backticks, or ends its line.
const COMMAND = /npx xcare ([^`\n]*)(?=`|\n|$)/g

/**
 * @param command the one that runs.
 * @returns what adds to each command that a sentence names the folder and the wallet that were chosen for
 * this one, so that it can be typed as it stands. What came from the environment is there for the next
 * command as well.
 */
export function hintsOf(command: Command): (text: string) => string {
  const { dir, as } = command.optsWithGlobals<{ dir: string; as: string }>()
  const isChosen = (option: string) =>
    command.parent !== null && rootOf(command).getOptionValueSource(option) === 'cli'
  const folder = isChosen('dir') ? ` --dir ${quoted(dir)}` : ''
  const wallet = isChosen('as') ? ` --as ${quoted(as)}` : ''
  return (text) =>
    text.replace(COMMAND, (whole, words: string) => {
      const dirWords = OF_NO_FOLDER.test(words) ? '' : folder
      const walletWords = OF_A_WALLET.test(words) && !/--as\b/.test(words) ? wallet : ''
      return `${whole}${dirWords}${walletWords}`
    })
}

function rootOf(command: Command): Command {
  return command.parent ? rootOf(command.parent) : command
}

function quoted(word: string): string {
  return /^[\w./:@%+,~-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
