// Works under the lock of a folder, as another process. Arguments: what to do, folder, rounds.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openTurnLock, takeLock } from '../../src/local/lock.ts'

const [what, folder, rounds] = process.argv.slice(2) as [string, string, string]

if (what === 'hold') {
  takeLock(join(folder, 'lock'))
  process.stdout.write('held\n')
  setInterval(() => {}, 60_000)
} else {
  const lock = openTurnLock(join(folder, 'lock'))
  const sum = join(folder, 'sum')
  for (let left = Number(rounds); left > 0; ) {
    if (!lock.tryTake()) continue
    // Without the lock, one of two readers of the same number is forgotten.
    writeFileSync(sum, String(Number(readFileSync(sum, 'utf8')) + 1))
    lock.give()
    left--
  }
}
