import { sizeLabel } from '../options.ts'
import type { Figure } from '../report-shape.ts'
import { spreadOf } from '../statistics.ts'

/** What one part of a put or a get costs where it is measured alone. */
export interface FloorPart {
  name: string
  what: string
  /** CPU-s for a GB of user data. */
  cost: number
}

/** What a put or a get would cost if it were nothing but its parts, and what it did cost. */
export interface Floor {
  way: 'put' | 'get'
  /** As `20/40`. */
  shape: string
  parts: FloorPart[]
  /** Of all parts, CPU-s/GB. */
  cost: number
  /** CPU of the whole operation, all processes: one figure for each size, and for each stage that measured it. */
  wholes: Figure[]
}

/** Group of the figures that tell of the machine, or follow from other figures. */
export const LIMITS_GROUP = 'limits'

/** Whole operations whose CPU was measured, by the begin of their id, and the ratio that is made of each. */
const WHOLES = [
  { way: 'put', measured: 'put/cpu/all/', ratio: 'put/over-floor/' },
  { way: 'get', measured: 'get/cpu/all/', ratio: 'get/over-floor/' },
  { way: 'get', measured: 'losses/whole/cpu/', ratio: 'losses/whole/over-floor/' },
] as const

/**
 * Adds up the parts of puts and gets, from medians. Not in it: heads of fragments (a 64th at most), messages, index, chain, guardians, and what
 * nodes read from their disks. A floor is absent where one of its parts was not measured, the whole was not, or it went over another network.
 * @param figures of one report.
 */
export function floorsOf(figures: readonly Figure[]): Floor[] {
  const median = (id: string) => figures.find((figure) => figure.id === id)?.median ?? null
  return (['put', 'get'] as const).flatMap((way) => {
    const wholes = figures.filter(
      ({ id, profile }) =>
        profile === 'loopback' && WHOLES.some((whole) => whole.way === way && id.startsWith(whole.measured)),
    )
    const shapes = [...new Set(wholes.map(({ shape }) => shape))].filter((shape) => shape !== null)
    return shapes.flatMap((shape) => {
      const parts = (way === 'put' ? putParts : getParts)(shape, median)
      if (!parts) return []
      const cost = parts.reduce((sum, part) => sum + part.cost, 0)
      return [{ way, shape, parts, cost, wholes: wholes.filter((whole) => whole.shape === shape) }]
    })
  })
}

type Median = (id: string) => number | null

function putParts(shape: string, median: Median): FloorPart[] | null {
  const { id, spread } = shapeOf(shape)
  const hash = secondsOf(median(`stage/hash/${id}`))
  return allKnown([
    ['seal', 'seal', secondsOf(median(`stage/seal/${id}`))],
    ['encode', 'encode', secondsOf(median(`stage/encode/${id}`))],
    ['hash', 'hash all columns', hash],
    ['wire', 'bring all columns to the nodes, both ends', times(spread, median('stage/wire/cpu'))],
    ['hash again', 'nodes hash what they got', hash],
    ['disk', 'append all columns and make them durable', times(spread, median('stage/disk/cpu'))],
  ])
}

function getParts(shape: string, median: Median): FloorPart[] | null {
  const { id, spread } = shapeOf(shape)
  return allKnown([
    ['wire', 'bring k columns from the nodes, both ends', median('stage/wire/cpu')],
    ['hash', 'hash k columns', times(1 / spread, secondsOf(median(`stage/hash/${id}`)))],
    ['open', 'open', secondsOf(median(`stage/open/${id}`))],
  ])
}

/** @returns the shape as ids have it, and bytes of all columns for a byte of user data. */
function shapeOf(shape: string): { id: string; spread: number } {
  const [k = 1, n = 1] = shape.split('/').map(Number)
  return { id: `${k}-${n}`, spread: n / k }
}

/** GB in a second of processor time, turned round. */
function secondsOf(rate: number | null): number | null {
  return rate === null || rate <= 0 ? null : 1 / rate
}

function times(factor: number, cost: number | null): number | null {
  return cost === null ? null : factor * cost
}

function allKnown(parts: [name: string, what: string, cost: number | null][]): FloorPart[] | null {
  const known = parts.flatMap(([name, what, cost]) => (cost === null ? [] : [{ name, what, cost }]))
  return known.length === parts.length ? known : null
}

/** @returns figures of the floors, and of how far above them the wholes are; both follow from `figures`. */
export function floorFigures(figures: readonly Figure[]): Figure[] {
  return floorsOf(figures).flatMap(({ way, shape, cost, wholes }) => {
    const head = { group: LIMITS_GROUP, shape, profile: 'loopback', better: 'lower' } as const
    return [
      {
        ...head,
        id: `floor/${way}/${shapeOf(shape).id}`,
        label: `${way} ${shape}: floor, CPU of its parts alone`,
        ...{ unit: 'CPU-s/GB', bytes: null, ...spreadOf([cost]) },
      },
      ...wholes.map((whole) => ({
        ...head,
        id: overFloorId(whole.id),
        label: `${shape} ${sizeLabel(whole.bytes ?? 0)}: ${way}${whole.group === 'losses' ? ', no loss' : ''}, CPU over its floor`,
        ...{ unit: '×', bytes: whole.bytes, ...spreadOf(whole.samples.map((sample) => sample / cost)) },
      })),
    ]
  })
}

/** @returns the id of the figure that holds a whole against its floor. @param id of the whole's CPU. */
export function overFloorId(id: string): string {
  const { measured, ratio } = WHOLES.find((whole) => id.startsWith(whole.measured))!
  return ratio + id.slice(measured.length)
}
