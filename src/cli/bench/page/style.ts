import { Markup } from './markup.ts'
import { COLOURS } from './plots.ts'

/**
 * Colours of parts: neighbours are far apart in hue and in lightness, which both schemes choose for
 * themselves.
 */
const PARTS = Array.from(
  { length: COLOURS },
  (_, at) => `.p${at}{fill:oklch(var(--l${at % 2}) .13 ${Math.round(at * 137.5) % 360})}`,
).join('')

/** Style of the page: both colour schemes, from a phone to a wide screen, and for print. No fonts and no images from anywhere. */
export const STYLE = new Markup(`
:root{color-scheme:light dark;--paper:#fff;--ink:#16202b;--soft:#5a6775;--rule:#dfe5ea;--panel:#f6f8fa;--good:#0b6b3a;--bad:#a4262c;--warn:#7a5200;--warn-paper:#fff6df;
--c0:#0b62c4;--c1:#b4470b;--c2:#0f7b5f;--c3:#8a2f9b;--c4:#6b6200;--c5:#5b6673;--l0:.47;--l1:.64;--track:#e8edf1}
@media(prefers-color-scheme:dark){:root{--paper:#10161c;--ink:#e6ecf1;--soft:#a0adba;--rule:#2b3641;--panel:#18202a;--good:#5fd39a;--bad:#ff8f8a;--warn:#f5cf7a;--warn-paper:#2d2513;
--c0:#6cb2ff;--c1:#ff9a5c;--c2:#4fd1a9;--c3:#d79be6;--c4:#d6ca5c;--c5:#a7b3bf;--l0:.7;--l1:.86;--track:#24303b}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;font-variant-numeric:tabular-nums}
main,header,footer{max-width:1180px;margin:0 auto;padding:0 20px}
header{padding-top:36px}
h1{font-size:30px;line-height:1.2;margin:0 0 6px;letter-spacing:-.01em}
h2{font-size:22px;margin:0 0 4px;letter-spacing:-.01em}
p{margin:0 0 12px;max-width:76ch}
.soft,caption,.x-name,.y-name{color:var(--soft)}
a{color:var(--c0)}
a:focus-visible,.scroll:focus-visible,summary:focus-visible{outline:3px solid var(--c0);outline-offset:2px;border-radius:4px}
.skip{position:absolute;left:-999px}.skip:focus{left:12px;top:12px;background:var(--paper);padding:8px 12px;z-index:2}
nav ul{display:flex;flex-wrap:wrap;gap:4px 16px;padding:0;margin:18px 0 0;list-style:none;font-size:14px}
section{border-top:1px solid var(--rule);margin-top:36px;padding-top:28px}
.pair{display:grid;grid-template-columns:minmax(0,1fr);gap:24px;margin-top:16px}
@media(min-width:900px){.pair{grid-template-columns:minmax(0,1fr) minmax(0,1fr);align-items:start}.pair:has(table){grid-template-columns:minmax(0,1fr)}}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(145px,1fr));gap:12px;margin:24px 0 0;padding:0;list-style:none}
.cards li{background:var(--panel);border:1px solid var(--rule);border-radius:10px;padding:12px 14px}
.cards b{display:block;font-size:25px;line-height:1.2;letter-spacing:-.02em}.cards small{color:var(--soft);font-size:13px;display:block}
.note{background:var(--warn-paper);border-left:4px solid var(--warn);padding:10px 14px;margin:18px 0 0;border-radius:0 8px 8px 0;max-width:none}
.scroll{overflow:auto;max-height:440px;border:1px solid var(--rule);border-radius:8px}
.scroll+.scroll{margin-top:24px}
table{border-collapse:collapse;width:100%;font-size:13.5px}
caption{text-align:left;padding:8px 12px;font-size:13px}
th,td{padding:6px 10px;text-align:right;border-top:1px solid var(--rule);white-space:nowrap;vertical-align:top}
th:first-child,td.text{text-align:left;white-space:normal;min-width:9em}
.scroll td:only-of-type{text-align:left;white-space:normal}
thead th{position:sticky;top:0;background:var(--panel);border-top:0;font-weight:600}
tbody th{font-weight:400}
.good{color:var(--good);font-weight:600}.bad{color:var(--bad);font-weight:600}
.plot .area{position:relative;padding-left:58px}
.plot svg{display:block;overflow:visible}
.y-axis{position:absolute;left:0;width:50px;font-size:13px;color:var(--soft)}
.y-axis span{position:absolute;right:0;transform:translateY(-50%)}
.x-axis{position:relative;height:24px;font-size:13px;color:var(--soft)}
.x-axis span{position:absolute;top:4px;transform:translateX(-50%);white-space:nowrap}
.x-name{text-align:center;font-size:13px;padding-left:58px}.y-name{font-size:13px;margin-bottom:10px}
.grid{stroke:var(--rule);stroke-width:1}
.line{stroke:currentColor;stroke-width:2.5;stroke-linecap:round}
.whisker{stroke:var(--ink);stroke-width:1.5;opacity:.55}
.plot .whisker{stroke:currentColor}
.mark,.legend svg{fill:currentColor}.hollow{fill:none;stroke:currentColor;stroke-width:2}
.s0{color:var(--c0)}.s1{color:var(--c1)}.s2{color:var(--c2)}.s3{color:var(--c3)}.s4{color:var(--c4)}.s5{color:var(--c5)}
${PARTS}
p.soft.unit{margin:0 0 6px;font-size:13px}.bars rect[class^=p]{stroke:var(--paper);stroke-width:1}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;padding:0;margin:14px 0 0;list-style:none;font-size:14px}
.legend li{display:flex;align-items:center;gap:7px}
.bar{display:grid;grid-template-columns:1fr auto;gap:0 12px;margin-bottom:12px;font-size:14px}
.bar svg{grid-column:1/-1;display:block;overflow:visible}.bar b{font-weight:600;text-align:right}
.track{fill:var(--track)}.fill{fill:var(--c0)}.goal{stroke:var(--c1);stroke-width:3}
dl{display:grid;grid-template-columns:minmax(7em,max-content) 1fr;gap:4px 18px;margin:12px 0 0;font-size:15px}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
ul.method{padding-left:20px;max-width:82ch}ul.method li{margin-bottom:6px}
footer{margin-top:48px;padding-bottom:48px;color:var(--soft);font-size:14px}
@media(max-width:520px){main,header,footer{padding-left:14px;padding-right:14px}h1{font-size:25px}.cards b{font-size:21px}.plot .area,.x-name{padding-left:44px}.y-axis{width:38px}dl{grid-template-columns:1fr}dd{margin-bottom:6px}table{font-size:12.5px}th,td{padding:5px 6px}th{white-space:normal}th:first-child,td.text{min-width:7em}}
@media(max-width:700px){.x-axis.close span:nth-child(even){visibility:hidden}}
@media print{.scroll{max-height:none;overflow:visible}nav,.skip{display:none}section{break-inside:avoid-page}}
`)
