import { writeSync } from 'node:fs'
import { FragmentStore } from '../../src/storage-node/fragment-store.ts'
import { AUDIENCE, deleteOf, type MadeObject, openPutOf } from './made-object.ts'
import { smallObject } from './writer-objects.ts'

/** Puts, finishes and deletes objects until it is killed, and says on stdout what was acknowledged, one line each. */
const [path, firstText] = process.argv.slice(2) as [string, string]
const store = await FragmentStore.open({ path, quotaBytes: 1e9, audience: AUDIENCE })

/** Writes one line now, whatever the reader does: what was not written before the kill was not said. */
function say(what: string, seed: number, stripe = 0): void {
  let rest = Buffer.from(`${what} ${seed} ${stripe}\n`)
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest))
    } catch (error) {
      if ((error as { code?: string }).code !== 'EAGAIN') throw error
    }
  }
}

async function writeOne(seed: number): Promise<void> {
  const object: MadeObject = smallObject(seed)
  const { handle } = await store.call('openPut', openPutOf(object), store.newHandle())
  await Promise.all(
    object.fragments[0]!.map(async (body, stripe) => {
      await store.put(handle, stripe, 0, 1, body.slice())
      say('acked', seed, stripe)
    }),
  )
  await store.call('finish', handle, object.manifest)
  say('finished', seed)
  if (seed % 5 !== 0) return
  say('deleting', seed)
  await store.call('delete', deleteOf(object))
  say('deleted', seed)
}

for (let seed = Number(firstText); ; seed += 4)
  await Promise.all([0, 1, 2, 3].map((lane) => writeOne(seed + lane)))
