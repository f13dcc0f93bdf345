import { utf8 } from '../bytes.ts'
import { LOCAL_SEGMENT_BYTES_MAX } from '../limits.ts'

// What shows nothing, turns the direction or moves the cursor, and what parts folders. Variation selectors
// only choose how the character before them looks, and stay.
const UNSEEN =
  /[[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800\\\/]--[\ufe00-\ufe0f]]/gv
const IGNORED = /\p{Default_Ignorable_Code_Point}/gu
// Windows takes these for devices, whatever stands after the first dot.
const DEVICE = /^(con|prn|aux|nul|clock\$|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3]) *(\.|$)/i
// The same for a letter of a drive.
const DRIVE = /^([a-z]):/i
// There they part drives and streams, stand for any name, or spell a short name.
const WINDOWS_ONLY = /[<>:"|?*]|~(?=\d)/g

/** A name that was chosen elsewhere, and what it is called on this machine. */
export interface LocalName {
  name: string
  /** Segments of a path below some folder, at least one. */
  path: string[]
  /** Whether it looks different from `name`. */
  isRenamed: boolean
}

interface Unnamed {
  at: number
  segments: string[]
}

/**
 * Makes names of this machine from names that were chosen elsewhere, in which `/` parts folders: the only way
 * from the one to the other. No segment begins with a dot or a dash, ends with a dot or a space, holds a
 * character that is not seen, or is a device of Windows; no two are the same where case or the form of
 * accents does not count. What may not be called so gets a name close to it; none is left out.
 * @param isWindows whether what means something there only is kept out as well.
 * @returns one for each of `names`, in their order. Names that need no change keep theirs.
 */
export function localNames(names: readonly string[], isWindows = false): LocalName[] {
  const paths: string[][] = []
  const all = names.map((name, at) => ({ at, segments: name.split('/') }))
  nameBelow([], all, isWindows, paths)
  return names.map((name, at) => {
    const path = paths[at]!
    return { name, path, isRenamed: path.join('/') !== name.normalize('NFC') }
  })
}

/** @returns what `name` is called on this machine without its folders. */
export function localFileName(name: string, isWindows = false): LocalName {
  const [local] = localNames([name.split('/').at(-1)!], isWindows)
  return { ...local!, name }
}

function nameBelow(above: string[], all: Unnamed[], isWindows: boolean, paths: string[][]): void {
  const places = [...Map.groupBy(all, placeOf).values()].map((inside) => {
    const wish = safeSegment(inside[0]!.segments[0]!, isWindows)
    return { inside, wish, isKept: wish === inside[0]!.segments[0] }
  })
  const taken = new Map<string, number>()
  for (const { inside, wish } of [
    ...places.filter(({ isKept }) => isKept),
    ...places.filter(({ isKept }) => !isKept),
  ]) {
    const path = [...above, freeSegment(wish, taken)]
    const inner = inside.map(({ at, segments }) => ({ at, segments: segments.slice(1) }))
    if (inner[0]!.segments.length === 0) paths[inner[0]!.at] = path
    else nameBelow(path, inner, isWindows, paths)
  }
}

/** Names in one folder belong together; each other name is a place of its own. */
function placeOf({ at, segments }: Unnamed): string {
  return segments.length > 1 ? `${segments[0]}/` : `${segments[0]}/${at}`
}

function safeSegment(segment: string, isWindows: boolean): string {
  let safe = segment.normalize('NFC').replace(UNSEEN, '_').replace(DRIVE, '$1_')
  if (isWindows) safe = safe.replace(WINDOWS_ONLY, '_')
  if (/^[.-]/.test(safe) || DEVICE.test(safe) || safe === '') safe = `_${safe}`
  if (/[.\s]$/.test(safe)) safe = `${safe}_`
  const { stem, ending } = partsOf(safe)
  return fitting(stem, ending)
}

/** @param taken by folded name: how many wished for it. */
function freeSegment(wish: string, taken: Map<string, number>): string {
  const { stem, ending } = partsOf(wish)
  let copy = taken.get(foldedOf(wish)) ?? 0
  let free = wish
  // A great many equal wishes must not each look through all earlier ones.
  while (copy > 0 && taken.has(foldedOf(free))) free = fitting(stem, ` (${++copy})${ending}`)
  taken.set(foldedOf(wish), Math.max(copy, 1))
  if (free !== wish) taken.set(foldedOf(free), 1)
  return free
}

function partsOf(segment: string): { stem: string; ending: string } {
  const ending = /(?<=.)\.[^.]{1,10}$/u.exec(segment)?.[0] ?? ''
  return { stem: segment.slice(0, segment.length - ending.length), ending }
}

function fitting(stem: string, ending: string): string {
  const letters = [...stem]
  while (utf8(letters.join('') + ending).length > LOCAL_SEGMENT_BYTES_MAX) letters.pop()
  return letters.join('') + ending
}

/**
 * What is the same to a file system to which case, the form of accents and characters without a width do not
 * count.
 */
function foldedOf(segment: string): string {
  return segment.replace(IGNORED, '').toUpperCase().toLowerCase().normalize('NFC')
}
