// What a terminal shows in two columns, and in none. The first leaves out letters of half the width.
const WIDE =
  /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\p{Emoji_Presentation}\u3000-\u303e\uff01-\uff60\uffe0-\uffe6]/u
const HALF = /[\uff61-\uffdc\uffe8-\uffee]/u
const NONE = /[\p{Mn}\p{Me}\p{Cf}\u1160-\u11ff]/u
/** Below this nothing is wrapped: there would be a word a line. */
const COLUMNS_MIN = 20

/** @returns columns that `text`, one line, takes on a terminal. */
export function widthOf(text: string): number {
  let width = 0
  for (const letter of text) width += NONE.test(letter) ? 0 : WIDE.test(letter) && !HALF.test(letter) ? 2 : 1
  return width
}

/** @returns the beginning of `text`, one line, that takes at most `columns`. */
export function cutTo(text: string, columns: number): string {
  let kept = ''
  let width = 0
  for (const letter of text) {
    width += widthOf(letter)
    if (width > columns) return kept
    kept += letter
  }
  return kept
}

/**
 * Breaks lines between words where they are longer than a terminal is wide; what follows stands below where
 * the line began, and a little to the right. Words that are longer than that stay whole, so that ids and
 * commands can be copied.
 * @param columns of the terminal, or null for no terminal: nothing is broken.
 */
export function wrapped(text: string, columns: number | null): string {
  if (columns === null || columns < COLUMNS_MIN) return text
  return text
    .split('\n')
    .map((line) => (widthOf(line) <= columns ? line : wrappedLine(line, columns)))
    .join('\n')
}

function wrappedLine(line: string, columns: number): string {
  const indent = /^ */.exec(line)![0]
  const hanging = `${indent}  `
  const lines: string[] = []
  let current = indent
  let isEmpty = true
  for (const word of wordsOf(line.slice(indent.length), columns - hanging.length)) {
    const fits = widthOf(current) + (isEmpty ? 0 : 1) + widthOf(word.trimStart()) <= columns
    if (isEmpty) current += word.trimStart()
    else if (fits) current += word.startsWith(' ') ? word : ` ${word}`
    else {
      lines.push(current.trimEnd())
      current = hanging + word.trimStart()
    }
    isEmpty = false
  }
  return [...lines, current].join('\n')
}

/** Words with the blanks before them; a command in backticks is one word, if there is a line for it. */
function wordsOf(text: string, columns: number): string[] {
  return text
    .split(/(\s*`[^`]+`\S*)/)
    .flatMap((part) =>
      part.trimStart().startsWith('`') && widthOf(part.trim()) <= columns
        ? [part]
        : (part.match(/\s*\S+/g) ?? []),
    )
}
