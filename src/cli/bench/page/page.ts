import { sizeLabel } from '../options.ts'
import type { Figure, Report } from '../report-shape.ts'
import { spanText } from '../sentences.ts'
import { type Content, html, type Markup } from './markup.ts'
import { table } from './plots.ts'
import type { Section } from './section.ts'
import { sectionsOf } from './sections.ts'
import { STYLE } from './style.ts'

/** @returns the whole report as one HTML page that asks nothing of any other place and needs no script. */
export function reportPage(report: Report): string {
  const sections = [...sectionsOf(report), figuresSection(report), runSection(report)]
  const { text } = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>XCARE bench, ${report.createdAt.slice(0, 16)}</title><style>${STYLE}</style></head>
<body><a class="skip" href="#content">To the results</a>
<header><h1>XCARE benchmark</h1><p class="soft">${report.createdAt.slice(0, 16).replace('T', ' ')} UTC, ${report.settings.mode} run of ${spanText(report.seconds)}, version ${report.program.version}${report.program.commit ? ` (${report.program.commit.slice(0, 12)})` : ''}<br>${report.machine.cpu}, ${report.machine.cores} cores, ${report.machine.memoryGiB} GiB, ${report.machine.kernel}, Node ${report.machine.node}</p>
${cards(report)}${notes(report)}
<nav aria-label="Sections"><ul>${sections.map(({ id, title }) => html`<li><a href="#${id}">${title}</a></li>`)}</ul></nav></header>
<main id="content">${sections.map(sectionMarkup)}</main>
<footer>Made by <code>xcare bench</code>. The same figures for programs: <code>report.json</code> beside this page; compare two runs with <code>xcare bench compare A B</code>.</footer>
</body></html>
`
  return text
}

function sectionMarkup({ id, title, lead, body }: Section): Markup {
  return html`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2><p class="soft">${lead}</p>${body}</section>`
}

/** The figures a reader looks for first. */
function cards({ figures, settings, targets }: Report): Content {
  const shape = `${settings.shapes[0]!.k}-${settings.shapes[0]!.n}`
  const largest = (prefix: string) =>
    figures.filter(({ id }) => id.startsWith(prefix)).sort((a, b) => (b.bytes ?? 0) - (a.bytes ?? 0))[0]
  const chosen: [string, Figure | undefined][] = [
    ['put', largest(`put/rate/${shape}/`)],
    ['get', largest(`get/rate/${shape}/`)],
    ['get, n - k columns killed', largest(`losses/lost/rate/${shape}/`)],
    ['put, CPU of all processes', largest(`put/cpu/all/${shape}/`)],
    ['4 KiB record, one at a time, p50', largest('small/put/alone/p50')],
    ['4 KiB records, many in flight', largest('small/put/closed/rate')],
    ['4 KiB records, many in flight, gathered', largest('small/put/gathered/rate')],
    ['2 KiB records in bundles', largest('bundles/rate')],
  ]
  const hit = targets.filter(({ verdict }) => verdict === 'hit' || verdict === 'stretch').length
  const judged = targets.filter(({ verdict }) => verdict !== 'not measured').length
  return html`<ul class="cards">${chosen.map(([name, figure]) => figure && html`<li><small>${name}</small><b>${figure.median} <small>${figure.unit}</small></b><small>${figure.shape ?? ''} ${figure.bytes ? sizeLabel(figure.bytes) : ''} ${figure.samples.length > 1 ? `${figure.min} to ${figure.max}` : 'one sample'}</small></li>`).map((card) => card ?? null)}${judged > 0 && html`<li><small>targets</small><b>${hit} of ${judged}</b><small>reached of those measured</small></li>`}</ul>`
}

function notes({ complete, stages, othersBusyCores, machine }: Report): Content {
  const missing = stages.filter(({ state }) => state !== 'done')
  return [
    !complete &&
      html`<p class="note" role="note"><strong>This report is not complete.</strong> ${missing.map(({ title, state, message }) => html`${title}: ${state}${message ? ` (${message})` : ''}. `)}</p>`,
    othersBusyCores !== null &&
      othersBusyCores > 0.2 &&
      html`<p class="note" role="note"><strong>The machine was not quiet.</strong> Other programs kept ${othersBusyCores} of ${machine.cores} cores busy. Times are worse than on a quiet machine, CPU seconds somewhat, as caches are shared; counts of bytes and requests are the same.</p>`,
  ]
}

function figuresSection({ figures }: Report): Section {
  const rows = figures.map(({ label, id, unit, median, min, max, mad, samples, profile, better }) => [
    html`${label}<br><code class="soft">${id}</code>`,
    html`<b>${median}</b>`,
    ...[unit, min, max, mad, samples.length, profile, better],
  ])
  const head = ['figure', 'median', 'unit', 'least', 'most', 'MAD', 'samples', 'network', 'better']
  return {
    id: 'figures',
    title: 'Every figure',
    lead: 'As in report.json. MAD is the median distance of the samples from their median.',
    body: table(`${figures.length} figures`, head, rows),
  }
}

function runSection({ machine, settings, network, method, stages }: Report): Section {
  const facts: [string, Content][] = [
    ['processor', `${machine.cpu}, ${machine.cores} cores`],
    ['memory', `${machine.memoryGiB} GiB`],
    ['system', `${machine.kernel}, Node ${machine.node}`],
    [
      'disk',
      `${machine.fileSystem}, ${machine.freeGiB} GiB free at the start; 4 KiB append and fdatasync ${machine.fsyncMs.p50} ms p50, ${machine.fsyncMs.p99} ms p99`,
    ],
    [
      'one thread',
      `copy ${machine.ratesGBs.memcpy} GB/s, AES-256-GCM ${machine.ratesGBs.aes256gcm} GB/s, BLAKE3 ${machine.ratesGBs.blake3} GB/s, SHA-256 ${machine.ratesGBs.sha256} GB/s`,
    ],
    ['load at the start', String(machine.loadAverage)],
    [
      'network',
      `${network.nodes} storage nodes, ${network.guardians} guardians, ${network.anchors} chain, ${network.proxies} proxy; ${network.processes} processes`,
    ],
    ['shapes', settings.shapes.map(({ k, n }) => `${k}/${n}`).join(', ')],
    ['records', settings.cells.map(({ k, n, bytes }) => `${sizeLabel(bytes)} at ${k}/${n}`).join(', ')],
    ['fragments', `shards of at most ${sizeLabel(settings.fragmentSize)}`],
    ['way', settings.profile],
    [
      'load',
      `${settings.concurrency} in flight; open loop ${settings.ratePerSecond === null ? 'at 60 % of the rate reached' : `at ${settings.ratePerSecond}/s`}`,
    ],
    ['repeats, seed', `${settings.repeats}, ${settings.seed}`],
  ]
  const rows = stages.map(({ title, state, seconds, message }) => [
    title,
    state,
    `${seconds} s`,
    html`${message ?? ''}`,
  ])
  return {
    id: 'run',
    title: 'Machine, settings and method',
    lead: 'What these figures must be read against.',
    body: html`<dl>${facts.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl><h3>Method</h3><ul class="method">${method.map((line) => html`<li>${line}</li>`)}</ul>${table('Stages of this run', ['stage', 'state', 'took', 'what happened'], rows)}`,
  }
}
