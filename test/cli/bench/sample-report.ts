import { floorFigures } from '../../../src/cli/bench/limits/floors.ts'
import { summarize } from '../../../src/cli/bench/load/histogram.ts'
import { settingsOf } from '../../../src/cli/bench/options.ts'
import type { Figure, Report } from '../../../src/cli/bench/report-shape.ts'
import { spreadOf } from '../../../src/cli/bench/statistics.ts'
import { judgeTargets } from '../../../src/cli/bench/targets.ts'

/** A figure of these samples. */
export function figureOf(id: string, samples: number[], fields: Partial<Figure> = {}): Figure {
  return {
    ...{ id, group: 'throughput', label: id, unit: 'MB/s', better: 'higher', shape: null, bytes: null },
    ...{ profile: 'loopback', ...spreadOf(samples), ...fields },
  }
}

const MIB = 1024 * 1024

function sampleFigures(): Figure[] {
  const cell = (way: string, name: string, bytes: number, samples: number[], fields: Partial<Figure> = {}) =>
    figureOf(`${way}/${name}/20-40/${bytes}`, samples, {
      shape: '20/40',
      bytes,
      label: `20/40 ${bytes}: ${way} ${name}`,
      ...fields,
    })
  const cpu = (party: string, value: number) =>
    cell('put', `cpu/${party}`, 16 * MIB, [value, value * 1.1], {
      group: 'cpu',
      unit: 'CPU-s/GB',
      better: 'lower',
    })
  const machine = (id: string, samples: number[], unit = 'MB/s') =>
    figureOf(id, samples, { group: 'limits', unit })
  const measured = [
    cell('put', 'rate', 65536, [1.5, 1.25, 1.75]),
    cell('put', 'rate', 16 * MIB, [211, 223, 227]),
    cell('get', 'rate', 65536, [3.1, 3.3, 3.7]),
    cell('get', 'rate', 16 * MIB, [401, 407, 431]),
    ...[cpu('client', 2.03), cpu('nodes', 5.17), cpu('all', 7.29)],
    figureOf('stage/seal/20-40', [2.11, 2.13], { group: 'stage', unit: 'GB/s', shape: '20/40' }),
    figureOf('stage/encode/20-40', [2.91, 3.61], { group: 'stage', unit: 'GB/s', shape: '20/40' }),
    figureOf('stage/wire', [911], { group: 'stage' }),
    figureOf('small/put/closed/p50', [4.7, 5.3, 6.1], { group: 'small', unit: 'ms', better: 'lower' }),
    figureOf('small/put/closed/cpu/nodes', [9.3, 9.7], {
      group: 'small-cpu',
      unit: 'CPU-ms/record',
      better: 'lower',
      label: 'put 4 KiB: CPU, nodes',
    }),
    figureOf('small/put/closed/cpu/all', [12.1, 12.7], {
      group: 'small-cpu',
      unit: 'CPU-ms/record',
      better: 'lower',
      label: 'put 4 KiB: CPU, all',
    }),
    figureOf('bundles/rate', [5107, 5303], { group: 'bundles', unit: 'records/s' }),
    figureOf('memory/client', [307], { group: 'memory', unit: 'MiB', better: 'lower' }),
    figureOf('losses/lost/rate/20-40/16777216', [191, 193], {
      group: 'losses',
      shape: '20/40',
      bytes: 16 * MIB,
    }),
    cell('get', 'cpu/all', 16 * MIB, [6.1, 6.7], { group: 'cpu', unit: 'CPU-s/GB', better: 'lower' }),
    ...[machine('stage/tcp', [1103, 1201, 1307]), machine('stage/tls', [701, 809])],
    ...[machine('stage/tcp/cpu', [1.1], 'CPU-s/GB'), machine('stage/tls/cpu', [1.9], 'CPU-s/GB')],
    figureOf('stage/wire/cpu', [2.3], { group: 'stage', unit: 'CPU-s/GB', better: 'lower' }),
    figureOf('stage/disk/cpu', [0.37], { group: 'stage', unit: 'CPU-s/GB', better: 'lower' }),
    figureOf('stage/hash/20-40', [2.57], { group: 'stage', unit: 'GB/s', shape: '20/40' }),
    figureOf('stage/open/20-40', [2.39], { group: 'stage', unit: 'GB/s', shape: '20/40' }),
  ]
  return [...measured, ...floorFigures(measured)]
}

/** A small report of made-up figures, with every part that a report can have. */
export function sampleReport(changes: Partial<Report> = {}): Report {
  const figures = changes.figures ?? sampleFigures()
  const latencies = [3.9, 4.7, 5.9, 17.3, ...Array.from({ length: 200 }, (_, at) => 4 + at / 100)]
  return {
    format: 'xcare-bench-report',
    version: 1,
    createdAt: '2026-03-01T12:34:56.000Z',
    program: { version: '0.1.0', commit: null },
    complete: true,
    seconds: 61.5,
    machine: {
      ...{ cpu: 'Made-up 9000', cores: 2, memoryGiB: 24, kernel: 'linux 6.1.0 x64', node: 'v24.21.0' },
      ...{ fileSystem: 'ext4', freeGiB: 70, loadAverage: 0.3, fsyncMs: { p50: 0.21, p99: 0.37 } },
      ratesGBs: { memcpy: 9.1, aes256gcm: 2.9, blake3: 4.7, sha256: 1.7 },
    },
    settings: settingsOf({ quick: true }),
    network: { nodes: 12, guardians: 4, anchors: 1, proxies: 0, processes: 18 },
    othersBusyCores: 0.05,
    method: ['Every put ends with signed receipts.'],
    stages: [
      { name: 'codec', title: 'one thread', state: 'done', seconds: 8, code: null, message: null },
      {
        name: 'wire',
        title: 'one connection',
        state: 'failed',
        seconds: 1,
        code: 'OFFLINE',
        message: 'nobody there',
      },
    ],
    figures,
    latencies: [
      {
        ...{
          id: 'small/put/closed',
          label: 'put 4 KiB, 16 in flight',
          load: { kind: 'closed', inFlight: 16 },
        },
        ...{ ...summarize(latencies), seconds: 2.5, perSecond: 81.6, errors: [{ code: 'BUSY', count: 3 }] },
      },
      {
        ...{ id: 'small/put/open', label: 'put 4 KiB, open loop', load: { kind: 'open', perSecond: 50 } },
        ...{ ...summarize(latencies), seconds: 4, perSecond: 50, errors: [] },
      },
      ...[1, 4, 16].map((inFlight) => ({
        ...{
          id: `sweep/${inFlight}`,
          label: `${inFlight} in flight`,
          load: { kind: 'closed' as const, inFlight },
        },
        ...{ ...summarize(latencies), seconds: 4, perSecond: 40 * inFlight, errors: [] },
      })),
    ],
    timelines: [
      {
        ...{ id: 'put/20-40/65536', label: 'put 20/40 64 KiB' },
        phases: [
          { name: 'plan', what: 'read the network', ms: 12.5 },
          { name: 'send', what: 'all at once', ms: 37.5 },
        ],
      },
    ],
    targets: judgeTargets(figures),
    ...changes,
  }
}
