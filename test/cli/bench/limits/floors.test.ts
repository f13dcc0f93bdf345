import { describe, expect, test } from 'vitest'
import { ReportDraft } from '../../../../src/cli/bench/draft.ts'
import { floorFigures, floorsOf } from '../../../../src/cli/bench/limits/floors.ts'
import { assembleReport } from '../../../../src/cli/bench/report.ts'
import type { Figure } from '../../../../src/cli/bench/report-shape.ts'
import { figureOf, sampleReport } from '../sample-report.ts'

const MIB = 1024 * 1024
const WHOLE = { shape: '20/50', bytes: 64 * MIB, unit: 'CPU-s/GB' }

/** Rates whose inverses are easy to add: 20/50 moves two and a half bytes for one. */
const PARTS: Figure[] = [
  figureOf('stage/seal/20-50', [2]),
  figureOf('stage/open/20-50', [4]),
  figureOf('stage/encode/20-50', [5]),
  figureOf('stage/hash/20-50', [2.5]),
  figureOf('stage/wire/cpu', [2]),
  figureOf('stage/disk/cpu', [0.4]),
]
// 0.5 + 0.2 + 0.4 + 2.5 × 2 + 0.4 + 2.5 × 0.4
const PUT_FLOOR = 7.5
// 2 + 0.4 × 20 / 50 + 0.25
const GET_FLOOR = 2.41
const PUT = figureOf(`put/cpu/all/20-50/${WHOLE.bytes}`, [15, 9, 12], WHOLE)
const GET = figureOf(`get/cpu/all/20-50/${WHOLE.bytes}`, [4.82], WHOLE)
const LOSSES = figureOf(`losses/whole/cpu/20-50/${16 * MIB}`, [7.23, 9.64], {
  ...WHOLE,
  bytes: 16 * MIB,
  group: 'losses',
})

const without = (id: string, figures: Figure[]) => figures.filter((figure) => figure.id !== id)
const medians = (figures: Figure[]) =>
  Object.fromEntries(floorFigures(figures).map(({ id, median, unit }) => [id, `${median} ${unit}`]))

describe('a floor', () => {
  test('is the sum of its parts, fragments counted as often as they are moved, hashed and written', () => {
    const [put, get, ...others] = floorsOf([...PARTS, PUT, GET])
    expect(others).toEqual([])
    expect(put!.parts.map(({ name, cost }) => [name, cost])).toEqual([
      ['seal', 0.5],
      ['encode', 0.2],
      ['hash', 0.4],
      ['wire', 5],
      ['hash again', 0.4],
      ['disk', 1],
    ])
    expect(put!.cost).toBeCloseTo(PUT_FLOOR)
    expect(get!.parts.map(({ name }) => name)).toEqual(['wire', 'hash', 'open'])
    expect(get!.parts[1]!.cost).toBeCloseTo(0.16)
    expect(get!.cost).toBeCloseTo(GET_FLOOR)
  })

  test('is a figure, and so is every whole over it, each with the repeats of the whole', () => {
    expect(medians([...PARTS, PUT, GET, LOSSES])).toEqual({
      'floor/put/20-50': `${PUT_FLOOR} CPU-s/GB`,
      [`put/over-floor/20-50/${64 * MIB}`]: '1.6 ×',
      'floor/get/20-50': `${GET_FLOOR} CPU-s/GB`,
      [`get/over-floor/20-50/${64 * MIB}`]: '2 ×',
      [`losses/whole/over-floor/20-50/${16 * MIB}`]: '3.5 ×',
    })
    const over = floorFigures([...PARTS, PUT]).find(({ unit }) => unit === '×')!
    expect(over).toMatchObject({ samples: [2, 1.2, 1.6], min: 1.2, max: 2, better: 'lower', shape: '20/50' })
  })

  test.each(PARTS.map(({ id }) => id))('is absent without %s, where that is a part', (id) => {
    const ways = floorsOf(without(id, [...PARTS, PUT, GET])).map(({ way }) => way)
    const part = id.split('/')[1]!
    expect(ways).toEqual(
      ({ open: ['put'], seal: ['get'], encode: ['get'], disk: ['get'] } as Record<string, string[]>)[part] ??
        [],
    )
  })

  test('is absent without the whole, for another shape, and over another network', () => {
    expect(floorFigures(PARTS)).toEqual([])
    expect(floorFigures([...PARTS, { ...PUT, shape: '6/12' }])).toEqual([])
    expect(floorFigures([...PARTS, { ...PUT, profile: 'wan' }])).toEqual([])
    expect(floorFigures([...PARTS, { ...PUT, id: `put/cpu/nodes/20-50/${64 * MIB}` }])).toEqual([])
  })

  test('of a part that took no time that could be measured is absent, not endless', () => {
    const [seal, ...others] = PARTS
    expect(floorFigures([figureOf(seal!.id, [0]), ...others, PUT])).toEqual([])
  })

  test('is in the report as soon as its stages are', () => {
    const draft = new ReportDraft()
    const ids = () => {
      const { machine, settings, network } = sampleReport()
      const parts = { draft, stages: [], machine, settings, network, createdAt: new Date(0), seconds: 1 }
      return assembleReport({ ...parts, othersBusyCores: 0 }).figures.map(({ id }) => id)
    }
    for (const { samples, ...head } of PARTS) draft.add(head, ...samples)
    expect(ids()).not.toContain('floor/put/20-50')
    const { samples, ...head } = PUT
    draft.add(head, ...samples)
    expect(ids()).toEqual(expect.arrayContaining(['floor/put/20-50', `put/over-floor/20-50/${64 * MIB}`]))
    // Made anew for each report: the draft holds what was measured.
    expect(ids().filter((id) => id === 'floor/put/20-50')).toHaveLength(1)
  })
})
