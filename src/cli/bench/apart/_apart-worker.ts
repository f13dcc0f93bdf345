import { asXcareError, XcareError } from '../../../errors.ts'
import { codec } from '../stages/codec.ts'
import { disk } from '../stages/disk.ts'
import { indexRows } from '../stages/index-rows.ts'
import { wire } from '../stages/wire.ts'
import type { ApartTask, ApartWord } from './apart.ts'

/** Runs one stage, tells its figures to the parent process and ends; ends with its parent, too. */
const STAGES = [codec, disk, indexRows, wire]

process.on('disconnect', () => process.exit(1))
// Ctrl-C reaches every process of the terminal; the parent decides.
process.on('SIGINT', () => {})
process.once('message', (task: ApartTask) => void runTask(task))

function tell(word: ApartWord): void {
  process.send?.(word)
}

async function runTask({ name, settings, scratch }: ApartTask): Promise<void> {
  try {
    const stage = STAGES.find((known) => known.name === name)
    if (!stage) throw new XcareError('INTERNAL', `there is no stage ${name} to run apart`)
    const draft = {
      add: (head: Extract<ApartWord, { kind: 'figure' }>['head'], ...samples: (number | null)[]) =>
        tell({ kind: 'figure', head, samples }),
      say: (sentence: string) => tell({ kind: 'method', sentence }),
    }
    const progress = (share: number, text: string) => tell({ kind: 'progress', share, text })
    await stage.run({ settings, scratch, draft, progress })
    process.send?.({ kind: 'done' } satisfies ApartWord, () => process.exit(0))
  } catch (error) {
    const { code, message } = asXcareError(error)
    process.send?.({ kind: 'failed', code, message } satisfies ApartWord, () => process.exit(1))
  }
}
