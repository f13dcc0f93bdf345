import { type Floor, floorsOf, overFloorId } from '../limits/floors.ts'
import { sizeLabel } from '../options.ts'
import type { Figure, Report } from '../report-shape.ts'
import { round } from '../statistics.ts'
import { ASSUMED_MBS } from '../targets.ts'
import { html, type Markup } from './markup.ts'
import { barPlot, type Stack, stackPlot, table } from './plots.ts'
import { barsOf, figuresTable, pair, type Section } from './section.ts'

/** How far the program is from what this machine allows, whatever the targets say. */
export function limits({ figures, machine }: Report): Section | null {
  const wires = ['stage/tcp', 'stage/tls', 'stage/wire'].flatMap(
    (id) => figures.find((figure) => figure.id === id) ?? [],
  )
  const floors = floorsOf(figures)
  if (wires.length < 2 && floors.length === 0) return null
  const found = figures.filter(({ id }) => /^stage\/(tcp|tls|wire)(\/|$)/.test(id))
  const what = 'CPU-s for a GB of user data: the parts alone, and what the whole cost on top'
  return {
    id: 'limits',
    title: 'Distance to the limit of this machine',
    lead: leadOf(),
    body: pair(
      html`${wires.length > 1 && wirePlot(wires)}${floors.length > 0 && html`<p class="soft unit">${what}</p>${stackPlot(what, floors.map(stackOf))}`}`,
      html`<div>${floors.length > 0 && floorTable(floors, figures, machine.cores)}${figuresTable('One connection, and its limits', found)}</div>`,
    ),
  }
}

function leadOf(): string {
  const [tcp, tls] = [ASSUMED_MBS.tcp, ASSUMED_MBS.tls].map((ends) =>
    ends.map((end) => end.toLocaleString('en')).join(' to '),
  )
  return `Measured in this same run. Plain TCP and Node’s TLS carry the same bytes between the same two processes, in turn with our wire. A floor is the sum of what the parts of a put or a get cost where each is measured alone; heads of fragments, messages, index, chain and guardians are not in it. The targets assume a machine where plain TCP carries ${tcp} MB/s and Node’s TLS ${tls} MB/s: on a slower one, read the distance here.`
}

function wirePlot(wires: Figure[]): Markup {
  const assumed: Record<string, number> = {
    'stage/tcp': ASSUMED_MBS.tcp[0],
    'stage/tls': ASSUMED_MBS.tls[0],
  }
  const bars = barsOf(wires).map((bar, at) => {
    const goal = assumed[wires[at]!.id]
    return goal === undefined ? bar : { ...bar, goal }
  })
  const what = 'One connection; the mark is what the targets assume, at least'
  return html`<p class="soft unit">${what}</p>${barPlot(what, bars)}`
}

const largestOf = ({ wholes }: Floor) => wholes.reduce((a, b) => ((b.bytes ?? 0) > (a.bytes ?? 0) ? b : a))

/** The largest record, its floor part by part, and the rest. */
function stackOf(floor: Floor): Stack {
  const whole = largestOf(floor)
  const rest = { name: 'not in the floor', cost: Math.max(0, whole.median - floor.cost) }
  return {
    label: `${floor.way} ${floor.shape}, ${sizeLabel(whole.bytes ?? 0)}`,
    text: `${whole.median}, floor ${round(floor.cost)}`,
    parts: [...floor.parts, rest].map(({ name, cost }) => ({
      ...{ name, value: cost, title: `${name}: ${round(cost)} CPU-s/GB` },
    })),
  }
}

/** @param cores all busy with nothing but the floor: no rate of this machine can be higher. */
function floorTable(floors: Floor[], figures: Figure[], cores: number): Markup {
  const rows = floors.flatMap(({ cost, wholes }) =>
    wholes.map((whole) => {
      const over = figures.find(({ id }) => id === overFloorId(whole.id))
      return [
        over?.label.replace(', CPU over its floor', '') ?? whole.label,
        ...[round(cost), whole.median, over ? `${over.median} ×` : '', round((cores * 1000) / cost)],
      ]
    }),
  )
  const caption = `CPU-s for a GB of user data; at most: MB/s if ${cores} cores did nothing but the floor`
  return table(caption, ['', 'floor', 'measured', 'over', 'at most'], rows)
}
