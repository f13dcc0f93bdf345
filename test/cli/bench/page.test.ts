import { describe, expect, test } from 'vitest'
import { escapeHtml, html } from '../../../src/cli/bench/page/markup.ts'
import { reportPage } from '../../../src/cli/bench/page/page.ts'
import { barPlot, linePlot, stackPlot, table } from '../../../src/cli/bench/page/plots.ts'
import { logScale } from '../../../src/cli/bench/page/scale.ts'
import { figureOf, sampleReport } from './sample-report.ts'

describe('markup', () => {
  test('escapes whatever is filled in, in content and in attributes', () => {
    const bad = `<script>alert("it's")</script>&`
    expect(escapeHtml(bad)).toBe('&lt;script&gt;alert(&quot;it&#39;s&quot;)&lt;/script&gt;&amp;')
    expect(html`<p title="${bad}">${bad}</p>`.text).not.toMatch(/<script|"it|'s/)
  })

  test('keeps markup, joins lists, and leaves nothing for what is absent', () => {
    expect(html`<ul>${[1, 2].map((item) => html`<li>${item}</li>`)}${null}${false}${0}</ul>`.text).toBe(
      '<ul><li>1</li><li>2</li>0</ul>',
    )
  })
})

describe('an axis', () => {
  test('of powers puts equal factors equally far apart, all values inside', () => {
    const { at } = logScale([4, 400])
    expect(at(40) - at(4)).toBeCloseTo(at(400) - at(40))
    expect(at(4)).toBeGreaterThan(0)
    expect(at(400)).toBeLessThan(1)
  })

  test('has ticks inside only, and bears a single value', () => {
    expect(logScale([3, 70]).ticks).toEqual([5, 10, 20, 50])
    expect(logScale([3, 70], [1, 8, 64]).ticks).toEqual([8, 64])
    expect(Number.isFinite(logScale([5]).at(5))).toBe(true)
  })
})

describe('plots', () => {
  const scale = { ...logScale([1, 100]), name: 'n', text: String }

  test('of lines have a point, a whisker and a title for every value, and a segment between two', () => {
    const points = [1, 10, 100].map((x) => ({ x, y: x, low: x, high: x, title: `at ${x}` }))
    const { text } = linePlot({ label: 'all', x: scale, y: scale, series: [{ name: 'one', points }] })
    expect(text.match(/<title>at \d+<\/title>/g)).toHaveLength(3)
    expect(text.match(/class="whisker"/g)).toHaveLength(3)
    expect(text.match(/class="line"/g)).toHaveLength(2)
    expect(text).not.toMatch(/NaN|undefined|Infinity/)
  })

  test('of bars are as long as their values, on one scale', () => {
    const bars = [
      { label: 'a', value: 50, text: '50' },
      { label: 'b', value: 200, text: '200' },
    ]
    const lengths = Array.from(
      barPlot('x', bars).text.matchAll(/class="fill" width="([\d.]+)%"/g),
      ([, width]) => width,
    )
    expect(lengths).toEqual(['25', '100'])
  })

  test('of stacks give one thing one colour on the whole page, and other things others', () => {
    const coloursOf = (names: string[], kind?: 'phase') => {
      const stack = { label: 'x', text: '1', parts: names.map((name) => ({ name, value: 1, title: name })) }
      return [...stackPlot('x', [stack], kind).text.matchAll(/class="(p\d+)" x=/g)].map(
        ([, colour]) => colour,
      )
    }
    expect(coloursOf(['disk', 'seal'])).toEqual(coloursOf(['seal', 'disk']).reverse())
    const all = [
      'seal',
      'encode',
      'hash',
      'wire',
      'disk',
      'open',
      'client',
      'nodes',
      'guardians',
      'another',
      'one more',
    ]
    const phases = ['plan', 'open', 'send', 'receipt', 'anchor', 'custody']
    expect(new Set([...coloursOf(all), ...coloursOf(phases, 'phase')]).size).toBe(all.length + phases.length)
  })

  test('of stacks put parts behind each other', () => {
    const parts = [
      { name: 'p', value: 1, title: 'p' },
      { name: 'q', value: 3, title: 'q' },
    ]
    const { text } = stackPlot('x', [{ label: 'a', text: '4', parts }])
    expect(text).toMatch(/class="p\d+" x="0%" width="25%".*class="p\d+" x="25%" width="75%"/s)
  })

  test('bear nothing at all', () => {
    for (const { text } of [barPlot('x', []), stackPlot('x', []), table('x', [], [])])
      expect(text).not.toMatch(/NaN|Infinity/)
  })
})

describe('the page', () => {
  const report = sampleReport()
  const page = reportPage(report)

  test('holds every figure of the report: median, ends, and name', () => {
    for (const { id, median, min, max, unit } of report.figures) {
      const row = page.slice(page.indexOf(`<code class="soft">${id}</code>`)).split('</tr>')[0]!
      expect(row, id).toContain(`<b>${median}</b>`)
      for (const value of [min, max, unit]) expect(row, id).toContain(`<td>${value}</td>`)
    }
    for (const { label, p50, p99, count } of report.latencies) {
      expect(page).toContain(label)
      for (const value of [p50, p99, count]) expect(page).toContain(`<td>${value}</td>`)
    }
    for (const { phases } of report.timelines)
      for (const { ms } of phases) expect(page).toContain(`<td>${ms}</td>`)
  })

  test('asks nothing of any other place and runs no script', () => {
    expect(page).not.toMatch(/<(script|link|img|iframe|object|embed|video|audio|source|base|form)\b/i)
    expect(page).not.toMatch(/\b(src|srcset|data|action|background)\s*=/i)
    expect(page).not.toMatch(/url\s*\(|@import|https?:|\bon\w+\s*=/i)
    for (const [, target] of page.matchAll(/href="([^"]*)"/g)) expect(target).toMatch(/^#[\w-]+$/)
    expect(page).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`)
  })

  test('has a table beside every plot, and headings in order', () => {
    const sections = page.split('<section ').slice(1)
    expect(sections.length).toBeGreaterThan(8)
    for (const section of sections) {
      if (section.includes('role="img"')) expect(section).toContain('<table>')
      expect(section).toMatch(/<h2 id="[\w-]+">/)
    }
    expect(page.match(/<h1>/g)).toHaveLength(1)
  })

  test('can be walked by keyboard: a way to the content, links to sections that exist, scrolling parts that take the focus', () => {
    const ids = new Set(Array.from(page.matchAll(/\bid="([\w-]+)"/g), ([, id]) => id))
    for (const [, target] of page.matchAll(/href="#([\w-]+)"/g)) expect(ids).toContain(target)
    for (const [scrolling] of page.matchAll(/<div class="scroll"[^>]*>/g)) {
      expect(scrolling).toContain('tabindex="0"')
      expect(scrolling).toMatch(/aria-label="[^"]+"/)
    }
    expect(page).toContain('<html lang="en">')
  })

  test('tells the distance to the limit of this machine, and what the targets assume', () => {
    const section = page.slice(page.indexOf('<section id="limits"')).split('</section>')[0]!
    expect(section).toContain('Distance to the limit of this machine')
    expect(section).toContain('2,200 to 3,000 MB/s')
    const { median: floor } = report.figures.find(({ id }) => id === 'floor/put/20-40')!
    const { median: over } = report.figures.find(({ id }) => id === 'put/over-floor/20-40/16777216')!
    // Of the whole 7.65 CPU-s/GB; two cores cannot do it faster than this.
    expect(section).toMatch(
      new RegExp(`<td>${floor}</td><td>7.65</td><td>${over} ×</td><td>${Math.round(2000 / floor)}</td>`),
    )
    const bare = report.figures.filter(({ group, id }) => group !== 'limits' && id !== 'stage/wire/cpu')
    expect(reportPage(sampleReport({ figures: bare }))).not.toContain('id="limits"')
  })

  test('says what failed and whether the machine was busy', () => {
    const busy = reportPage(sampleReport({ complete: false, othersBusyCores: 1.4 }))
    expect(busy).toContain('This report is not complete.')
    expect(busy).toContain('nobody there')
    expect(busy).toContain('Other programs kept 1.4 of 2 cores busy')
    expect(page).not.toContain('not complete')
  })

  test('shows text from a report as text', () => {
    const label = '<img src=x onerror=alert(1)>'
    const hostile = reportPage(
      sampleReport({
        figures: [
          figureOf('put/rate/20-40/65536', [1], { label, unit: '"><b>', shape: '20/40', bytes: 65536 }),
        ],
        method: [label],
        stages: [{ name: label, title: label, state: 'failed', seconds: 1, code: null, message: label }],
      }),
    )
    expect(hostile).not.toContain('<img')
    expect(hostile).not.toContain('"><b>')
  })

  test('of a run that measured nothing still stands', () => {
    const empty = reportPage(sampleReport({ figures: [], latencies: [], timelines: [], targets: [] }))
    expect(empty).not.toMatch(/NaN|undefined|Infinity/)
    expect(empty).toContain('Machine, settings and method')
  })

  test('of every made-up figure has no broken number', () => {
    expect(page).not.toMatch(/NaN|undefined|Infinity/)
  })
})
