import { describe, expect, test } from 'vitest'
import { ReportDraft } from '../../../src/cli/bench/draft.ts'
import { settingsOf } from '../../../src/cli/bench/options.ts'
import type { Figure } from '../../../src/cli/bench/report-shape.ts'
import { measureWires } from '../../../src/cli/bench/stages/wire.ts'

describe('the wire stage', () => {
  let figures: Map<string, Figure>

  test('carries the same bytes over our wire, plain TCP and TLS in every round', async () => {
    const draft = new ReportDraft()
    const settings = settingsOf({ quick: true, repeat: '2', fragmentSize: '16KiB' })
    const told = { add: draft.add.bind(draft), say: () => {} }
    await measureWires({ settings, scratch: '', draft: told, progress: () => {} }, 1024 * 1024)
    figures = new Map(draft.figures().map((figure) => [figure.id, figure]))
    const ways = ['stage/tcp', 'stage/tls', 'stage/wire']
    expect([...figures.keys()].sort()).toEqual(
      [...ways.flatMap((way) => [way, `${way}/cpu`]), 'stage/wire/of-tls'].sort(),
    )
    for (const { id, samples, min } of figures.values()) {
      expect(samples, id).toHaveLength(2)
      expect(min, id).toBeGreaterThan(0)
    }
  }, 60_000)

  test('says which TLS it was, and holds our wire against it round by round', () => {
    expect(figures.get('stage/tls')!.label).toMatch(/TLSv1\.3, TLS_\w+/)
    const [ours, theirs, over] = ['stage/wire', 'stage/tls', 'stage/wire/of-tls'].map(
      (id) => figures.get(id)!.samples,
    )
    for (const [round, ratio] of over!.entries())
      expect(ratio / (ours![round]! / theirs![round]!)).toBeCloseTo(1, 1)
  })
})
