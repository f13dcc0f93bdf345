import { fromUtf8 } from '../bytes.ts'
import { XcareError } from '../errors.ts'

/** Fewer are guessed from a stolen file, at a few hundred guesses a second and machine. */
const CHARACTERS_MIN = 12
const DIFFERENT_MIN = 5
const MARK = '\ufeff'

/**
 * Reads the passphrase that a file's first line holds, as editors write files: with line ends of any system,
 * with a byte order mark, in UTF-8 or UTF-16.
 * @returns what to try, in this order: the line as older programs read it, then the words alone. The last is
 * what a new wallet gets.
 * @throws XcareError MALFORMED when it is no text.
 */
export function passphrasesIn(content: Uint8Array): string[] {
  const words = textOf(content)
    .replace(MARK, '')
    .split(/\r\n|\n|\r/)[0]!
  const asOlder = isUtf16(content) ? null : fromUtf8(content).split('\n')[0]!
  return asOlder === null || asOlder === words ? [words] : [asOlder, words]
}

/** @throws XcareError USAGE when a passphrase is too easily guessed for a new wallet. */
export function requireStrong(passphrase: string): void {
  const characters = [...passphrase.normalize('NFKC')]
  if (characters.length < CHARACTERS_MIN)
    throw new XcareError('USAGE', `a passphrase needs at least ${CHARACTERS_MIN} characters`, {
      next: 'take several words that do not belong together',
    })
  if (new Set(characters).size < DIFFERENT_MIN)
    throw new XcareError('USAGE', `a passphrase needs at least ${DIFFERENT_MIN} different characters`, {
      next: 'take several words that do not belong together',
    })
}

function textOf(content: Uint8Array): string {
  if (!isUtf16(content)) return fromUtf8(content)
  const [first] = content
  return new TextDecoder(first === 0xfe || first === 0 ? 'utf-16be' : 'utf-16le').decode(content)
}

/** By its mark, or by the zero beside the first letter. */
function isUtf16(content: Uint8Array): boolean {
  const [first, second] = content
  const isMark = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)
  return content.length >= 2 && (isMark || first === 0 || second === 0)
}
