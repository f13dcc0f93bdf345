import type { Figure } from '../report-shape.ts'
import { type Content, html, type Markup } from './markup.ts'
import { type Bar, table } from './plots.ts'

/** A part of the page. */
export interface Section {
  id: string
  title: string
  lead: string
  body: Content
}

/** A plot with its table beside it, or below it on a narrow screen. */
export function pair(plot: Markup, beside: Markup): Content {
  return html`<div class="pair"><div>${plot}</div>${beside}</div>`
}

/** @returns the median, and the ends where there is more than one sample. */
export function spreadText({ median, min, max, samples }: Figure): string {
  return samples.length > 1 ? `${median} (${min} to ${max})` : `${median}`
}

const FIGURE_HEAD = ['', 'median', 'least to most', 'samples']

/** @returns figures as a table, one in a row. */
export function figuresTable(caption: string, figures: Figure[]): Markup {
  const rows = figures.map((figure) => [
    figure.label,
    `${figure.median} ${figure.unit}`,
    figure.samples.length > 1 ? `${figure.min} to ${figure.max}` : '',
    figure.samples.length,
  ])
  return table(caption, FIGURE_HEAD, rows)
}

/** @returns figures as bars, with the ends as whiskers. */
export function barsOf(figures: Figure[]): Bar[] {
  return figures.map((figure) => ({
    label: figure.label,
    value: figure.median,
    text: `${figure.median} ${figure.unit}`,
    low: figure.min,
    high: figure.max,
  }))
}
