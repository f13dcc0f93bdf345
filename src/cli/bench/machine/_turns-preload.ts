import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { TURNS_FOLDER } from './node-turns.ts'
import { TurnWatch } from './turns.ts'

/** Loaded before the program of a storage node: a signal begins to watch its network thread, the next one ends it and writes what was seen. */
const folder = process.env[TURNS_FOLDER]
if (folder && isMainThread && process.argv.includes('node') && process.argv.includes('run')) {
  let watch: TurnWatch | null = null
  const write = (name: string, content: unknown) => {
    const path = join(folder, `${process.pid}.${name}`)
    writeFileSync(`${path}.new`, JSON.stringify(content))
    renameSync(`${path}.new`, path)
  }
  process.on('SIGUSR2', () => {
    if (watch) write('turns', watch.end())
    else write('watches', {})
    watch = watch ? null : new TurnWatch()
  })
  write('listens', {})
}
