import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { isErrorCode, XcareError } from '../../../errors.ts'
import type { FigureHead } from '../draft.ts'
import type { Settings } from '../report-shape.ts'
import type { Bench, Stage } from '../stage.ts'

const WORKER = fileURLToPath(new URL('./_apart-worker.ts', import.meta.url))

/** What a stage in a process of its own works with. */
export interface ApartBench {
  settings: Settings
  /** Folder on the disk that is measured; removed with the run. */
  scratch: string
  draft: {
    add(head: FigureHead, ...samples: (number | null)[]): void
    /** Adds a sentence on how it was measured. */
    say(sentence: string): void
  }
  /** Tells how far the stage is, from 0 to 1; `text` says at what. */
  progress(share: number, text: string): void
}

/** A stage that needs no network and runs in a process of its own. */
export interface ApartStage extends Pick<Stage, 'name' | 'title' | 'seconds'> {
  run(bench: ApartBench): Promise<void>
}

/** What the process is told when it starts. */
export interface ApartTask {
  name: string
  settings: Settings
  scratch: string
}

/** What it tells. The last word is `done` or `failed`. */
export type ApartWord =
  | { kind: 'figure'; head: FigureHead; samples: (number | null)[] }
  | { kind: 'method'; sentence: string }
  | { kind: 'progress'; share: number; text: string }
  | { kind: 'done' }
  | { kind: 'failed'; code: string; message: string }

/** @returns `stage` as the run sees it: its memory and its threads are given back when it is over, so that they are not the client's. */
export function apart({ name, title, seconds }: ApartStage): Stage {
  return { name, title, seconds, needsNetwork: false, run: (bench) => runApart(name, bench) }
}

async function runApart(name: string, { settings, draft, network, progress, signal }: Bench): Promise<void> {
  const child = fork(WORKER, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], signal, killSignal: 'SIGKILL' })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  child.on('message', (word: ApartWord) => {
    if (word.kind === 'figure') draft.add(word.head, ...word.samples)
    else if (word.kind === 'method') draft.method.push(word.sentence)
    else if (word.kind === 'progress') progress(word.share, word.text)
    else if (word.kind === 'failed') reject(errorOf(word))
    else resolve()
  })
  // Its last word comes before its end, and only then is its processor time known to belong to this run.
  const ended = new Promise<void>((gone) => child.once('close', () => gone()))
  child.once('error', reject)
  void ended.then(() =>
    reject(new XcareError('INTERNAL', `the process of the stage ${name} ended by itself`)),
  )
  child.send({ name, settings, scratch: network.scratch } satisfies ApartTask)
  await promise.finally(() => ended)
}

function errorOf({ code, message }: { code: string; message: string }): XcareError {
  return new XcareError(isErrorCode(code) ? code : 'INTERNAL', message)
}
