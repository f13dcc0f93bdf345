import { type Content, html, type Markup } from './markup.ts'
import type { Scale } from './scale.ts'

const AREA_HEIGHT = 260
/** More labels below a plot than this do not stand beside each other on a phone. */
const CLOSE_TICKS = 5
const MARKS = ['circle', 'square', 'diamond', 'triangle', 'ring', 'cross'] as const

/** One point of a line; `low` and `high` are drawn as whiskers. */
export interface Point {
  x: number
  y: number
  low?: number
  high?: number
  /** Shown when the pointer rests on it. */
  title: string
}

/** One line. */
export interface Series {
  name: string
  points: Point[]
}

/** A plot of lines. */
export interface LinePlot {
  label: string
  x: Scale & { name: string; text(value: number): string }
  y: Scale & { name: string; text(value: number): string }
  series: Series[]
}

/** Numbers of the SVG, short. */
const place = (share: number) => `${Number((share * 100).toFixed(2))}%`
const pixel = (value: number) => Number(value.toFixed(1))

/** Lines with points and whiskers. Places are shares of the width, so that letters keep their size on any screen. */
export function linePlot({ label, x, y, series }: LinePlot): Markup {
  const down = (value: number) => pixel(AREA_HEIGHT * (1 - y.at(value)))
  const grid = [
    ...y.ticks.map(
      (tick) => html`<line class="grid" x1="0" x2="100%" y1="${down(tick)}" y2="${down(tick)}"/>`,
    ),
    ...x.ticks.map(
      (tick) =>
        html`<line class="grid" x1="${place(x.at(tick))}" x2="${place(x.at(tick))}" y1="0" y2="${AREA_HEIGHT}"/>`,
    ),
  ]
  const drawn = series.map(
    ({ points }, at) =>
      html`<g class="s${at % MARKS.length}">${lineOf(points, x, down)}${points.map((point) => pointOf(point, x, down, at))}</g>`,
  )
  return html`<div class="plot"><div class="y-name">${y.name}</div>
<div class="area"><div class="y-axis" aria-hidden="true" style="height:${AREA_HEIGHT}px">${y.ticks.map((tick) => html`<span style="top:${down(tick)}px">${y.text(tick)}</span>`)}</div>
<svg role="img" aria-label="${label}" width="100%" height="${AREA_HEIGHT}">${grid}${drawn}</svg>
<div class="x-axis${x.ticks.length > CLOSE_TICKS ? ' close' : ''}" aria-hidden="true">${x.ticks.map((tick) => html`<span style="left:${place(x.at(tick))}">${x.text(tick)}</span>`)}</div></div>
<div class="x-name">${x.name}</div>${legend(series.map(({ name }) => name))}</div>`
}

function lineOf(points: Point[], x: Scale, down: (value: number) => number): Content {
  return points.slice(1).map((point, at) => {
    const before = points[at]!
    return html`<line class="line" x1="${place(x.at(before.x))}" y1="${down(before.y)}" x2="${place(x.at(point.x))}" y2="${down(point.y)}"/>`
  })
}

function pointOf(
  { x, y, low, high, title }: Point,
  scale: Scale,
  down: (value: number) => number,
  series: number,
): Content {
  const left = place(scale.at(x))
  const whisker =
    low !== undefined &&
    high !== undefined &&
    html`<line class="whisker" x1="${left}" x2="${left}" y1="${down(low)}" y2="${down(high)}"/>`
  return html`${whisker}<svg class="mark" x="${left}" y="${down(y)}" overflow="visible"><title>${title}</title>${markOf(series)}</svg>`
}

function markOf(series: number): Markup {
  const mark = MARKS[series % MARKS.length]
  if (mark === 'square') return html`<rect x="-4" y="-4" width="8" height="8"/>`
  if (mark === 'diamond') return html`<path d="M0-6 6 0 0 6-6 0Z"/>`
  if (mark === 'triangle') return html`<path d="M0-6 6 4-6 4Z"/>`
  if (mark === 'ring') return html`<circle r="4" class="hollow"/>`
  if (mark === 'cross') return html`<path class="hollow" d="M-4-4 4 4M-4 4 4-4"/>`
  return html`<circle r="4.5"/>`
}

/** Names of series with their marks. */
function legend(names: string[]): Content {
  return html`<ul class="legend">${names.map((name, at) => html`<li><svg class="s${at % MARKS.length}" width="14" height="14" viewBox="-7 -7 14 14" aria-hidden="true">${markOf(at)}</svg>${name}</li>`)}</ul>`
}

/** One bar; `low` and `high` are drawn as a whisker, `goal` as a mark. */
export interface Bar {
  label: string
  value: number
  text: string
  low?: number
  high?: number
  goal?: number
}

/** Bars below each other, all from the same zero. @param end value at which a bar fills the row; the largest one unless given. */
export function barPlot(label: string, bars: Bar[], end: number | null = null): Markup {
  const ends = bars.flatMap(({ value, high, goal }) => [value, high ?? 0, goal ?? 0])
  const most = end ?? Math.max(...ends, Number.MIN_VALUE)
  const rows = bars.map(({ label: name, value, text, low, high, goal }) => {
    const whisker =
      low !== undefined &&
      high !== undefined &&
      high > low &&
      html`<line class="whisker" x1="${place(low / most)}" x2="${place(high / most)}" y1="8" y2="8"/>`
    const mark =
      goal !== undefined &&
      html`<line class="goal" x1="${place(goal / most)}" x2="${place(goal / most)}" y1="0" y2="16"/>`
    return html`<div class="bar"><span>${name}</span><b>${text}</b><svg width="100%" height="16" aria-hidden="true"><rect class="track" width="100%" height="16"/><rect class="fill" width="${place(value / most)}" height="16"/>${whisker}${mark}</svg></div>`
  })
  return html`<div class="bars" role="img" aria-label="${label}">${rows}</div>`
}

/** One stacked bar. */
export interface Stack {
  label: string
  /** Of the whole bar. */
  text: string
  parts: { name: string; value: number; title: string }[]
}

/**
 * What the parts of stacked bars are, in the order of their colours: one colour means one thing on the whole
 * page.
 */
const MEANINGS = [
  ...[
    'seal',
    'encode',
    'hash',
    'wire',
    'hash again',
    'disk',
    'not in the floor',
    'open',
    'split',
    'transfer',
  ],
  ...['phase plan', 'phase open', 'phase send', 'phase receipt', 'phase anchor', 'phase custody'],
  ...['client', 'nodes', 'guardians', 'anchor', 'proxies'],
]
/** Colours there are; `style.ts` makes as many. */
export const COLOURS = 28

/** The colour of a part; what has none of its own shares the last ones. */
function colourOf(meaning: string, others: string[]): number {
  const at = MEANINGS.indexOf(meaning)
  if (at >= 0) return at
  return MEANINGS.length + (others.indexOf(meaning) % (COLOURS - MEANINGS.length))
}

/**
 * Bars of parts that add up, all on one scale.
 * @param kind what its parts are, where their names mean something else in other plots.
 */
export function stackPlot(label: string, stacks: Stack[], kind: 'phase' | null = null): Markup {
  const sum = ({ parts }: Stack) => parts.reduce((total, { value }) => total + value, 0)
  const most = Math.max(...stacks.map(sum), Number.MIN_VALUE)
  const names = [...new Set(stacks.flatMap(({ parts }) => parts.map(({ name }) => name)))]
  const meaning = (name: string) => (kind ? `${kind} ${name}` : name)
  const others = names.map(meaning).filter((name) => !MEANINGS.includes(name))
  const colour = (name: string) => colourOf(meaning(name), others)
  const rows = stacks.map((stack) => {
    let at = 0
    const parts = stack.parts.map(({ name, value, title }) => {
      const left = at
      at += value
      return html`<rect class="p${colour(name)}" x="${place(left / most)}" width="${place(value / most)}" height="20"><title>${title}</title></rect>`
    })
    return html`<div class="bar"><span>${stack.label}</span><b>${stack.text}</b><svg width="100%" height="20" aria-hidden="true">${parts}</svg></div>`
  })
  const keys = names.map(
    (name) =>
      html`<li><svg width="12" height="12" aria-hidden="true"><rect class="p${colour(name)}" width="12" height="12"/></svg>${name}</li>`,
  )
  return html`<div class="bars" role="img" aria-label="${label}">${rows}</div><ul class="legend">${keys}</ul>`
}

/** A table that scrolls by itself on narrow screens, also by keyboard. The first column names the row. */
export function table(caption: string, head: string[], rows: Content[][]): Markup {
  const body = rows.map(
    ([first = null, ...others]) =>
      html`<tr><th scope="row">${first}</th>${others.map((cell) => html`<td>${cell}</td>`)}</tr>`,
  )
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${caption}"><table><caption>${caption}</caption><thead><tr>${head.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead><tbody>${body}</tbody></table></div>`
}
