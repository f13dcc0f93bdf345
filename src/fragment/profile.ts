import { XcareError } from '../errors.ts'

/** How widely an object is dispersed and what that must be worth. */
export interface Profile {
  /** `grid`, `open`, `deep`, or `K/N` for a shape of one's own. */
  name: string
  /** Columns that rebuild the object, and columns in all. */
  k: number
  n: number
  /** A put stops waiting once so many columns are durable. */
  target: number
  /** Repair starts when fewer columns than this are live. */
  repairAt: number
  /** Guardians that must agree, of all guardians of the object. */
  t: number
  m: number
  /** Availability (0 to 1) assumed of a node that has not been measured yet. */
  availability: number
  /** A put is refused unless its columns reach this many nines, see `durability`. */
  nines: number
  /** Largest shard in bytes, see `layoutOf`; unless given, the largest whose stripes fit memory. */
  shardBytes?: number
}

/**
 * The named profiles. Figures below are `durability` at the assumed availability.
 *
 * - `grid`: institutions. At target 10: 7.6 nines, so two slow nodes never hold up a put; repair
 *   starts at 8 live columns, 4.3 nines, one lost node alone (11 live) causes no work.
 * - `open`: mixed contributors who are away a quarter of the time. At target 36: 4.7 nines, a tenth of
 *   the nodes may straggle; below 30 live columns a reader would fail more than once in 400 tries, so
 *   repair starts there, with 13 columns still to spare.
 * - `deep`: archives nobody looks after for years. At target 52: 20 nines; repair starts below 36, 7.2
 *   nines, so that up to 24 nodes may leave before anything has to move and 15 more during repair.
 * - `wide`: tens of thousands of columns over 12 nodes or more, so each node keeps hundreds or thousands of them, which come
 *   and go together. Figures count nodes, as the fewest, 12 with 2,730 or 2,731 columns each: at target, 10 nodes, 6.0 nines,
 *   so two slow nodes never hold up a put; repair starts when the third is lost, at 9 nodes and 4.3 nines. With 40 nodes the
 *   same marks mean 34 and 30 nodes, 18.9 and 12.6 nines. Each fragment has a head of 1 KiB, so objects of 16 MiB take four
 *   times their size on the nodes, larger ones three times, small ones far more: it is for large ones.
 */
export const PROFILES = {
  grid: { name: 'grid', k: 6, n: 12, target: 10, repairAt: 9, t: 3, m: 4, availability: 0.99, nines: 7 },
  open: { name: 'open', k: 16, n: 40, target: 36, repairAt: 30, t: 4, m: 7, availability: 0.75, nines: 4 },
  deep: { name: 'deep', k: 20, n: 60, target: 52, repairAt: 36, t: 5, m: 9, availability: 0.9, nines: 12 },
  wide: {
    name: 'wide',
    k: 16_384,
    n: 32_768,
    target: 27_306,
    repairAt: 24_576,
    t: 3,
    m: 4,
    availability: 0.99,
    nines: 5,
  },
} as const satisfies Record<string, Profile>

/**
 * The profile of a shape: the named one where there is one, else two thirds of the spare columns as
 * target, half of them as repair mark, 3 of 4 guardians and no demand on nines (benchmarks choose shapes
 * that no one should keep records in).
 * @throws XcareError USAGE unless 1 <= k <= n.
 */
export function profileFor(k: number, n: number): Profile {
  if (!Number.isInteger(k) || !Number.isInteger(n) || k < 1 || n < k)
    throw new XcareError('USAGE', `no profile has k=${k} and n=${n}`, {
      next: 'choose whole numbers with 1 <= k <= n',
    })
  const named = Object.values(PROFILES).find((profile) => profile.k === k && profile.n === n)
  if (named) return named
  const target = k + Math.ceil((2 * (n - k)) / 3)
  const repairAt = k + Math.ceil((n - k) / 2)
  return { name: `${k}/${n}`, k, n, target, repairAt, t: 3, m: 4, availability: 0.99, nines: 0 }
}

/**
 * The profile called `name`: a named one or a shape written `K/N`.
 * @throws XcareError USAGE for any other text.
 */
export function profileNamed(name: string): Profile {
  if (Object.hasOwn(PROFILES, name)) return PROFILES[name as keyof typeof PROFILES]
  const shape = /^(\d{1,5})\/(\d{1,5})$/.exec(name)
  if (shape) return profileFor(Number(shape[1]), Number(shape[2]))
  throw new XcareError('USAGE', `there is no profile "${name.slice(0, 40)}"`, {
    next: `choose ${Object.keys(PROFILES).join(', ')} or a shape such as 20/40`,
  })
}

/** Probabilities below this add nothing to 99 nines. */
const NEGLIGIBLE = 1e-200

/** How sure it is that an object can be read at a given moment. */
export interface Durability {
  /** Probability that fewer than k columns are reachable. */
  unavailable: number
  /** `-log10(unavailable)`, at most 99 so that it is always a plain number. */
  nines: number
}

/**
 * Exact distribution (Poisson-binomial) of the number of reachable columns when each holder is up on its own, and all its columns
 * with it.
 * @param k columns that rebuild the object. @param availabilities one probability per holder.
 * @param columns how many columns each holder keeps; one each where left out.
 * @throws XcareError USAGE on a probability outside 0 to 1, or no whole number of columns for each holder.
 */
export function durability(
  k: number,
  availabilities: readonly number[],
  columns: readonly number[] = availabilities.map(() => 1),
): Durability {
  if (columns.length !== availabilities.length)
    throw new XcareError('USAGE', `${columns.length} numbers of columns for ${availabilities.length} holders`)
  // at[c]: probability that exactly c of the columns so far are up; counts of k and more are not needed
  const at = new Float64Array(k)
  at[0] = 1
  // outside of low to high all is zero, or so small that it never shows
  let [low, high] = [0, 0]
  availabilities.forEach((up, holder) => {
    if (!(up >= 0 && up <= 1))
      throw new XcareError('USAGE', `an availability lies between 0 and 1, not at ${up}`)
    const kept = columns[holder]!
    if (!Number.isSafeInteger(kept) || kept < 0)
      throw new XcareError('USAGE', `a holder cannot keep ${kept} columns`)
    if (kept === 0) return
    high = Math.min(k - 1, high + kept)
    for (let count = high; count >= low; count--)
      at[count] = at[count] * (1 - up) + (count - kept >= low ? at[count - kept] * up : 0)
    for (; low < high && at[low] < NEGLIGIBLE; low++) at[low] = 0
  })
  // smallest terms first, so that none is lost to rounding
  const unavailable = Math.min(
    1,
    at.sort().reduce((sum, term) => sum + term, 0),
  )
  return { unavailable, nines: unavailable === 0 ? 99 : Math.min(99, 0 - Math.log10(unavailable)) }
}
