import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** A running anchor process. */
export interface AnchorProcess {
  rpcUrl: string
  chainId: string
  trust: { height: number; hash: string }
  /** Ends it as the system would: SIGTERM, or SIGKILL for a crash. Resolves when it is gone. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>
}

/** @returns the first line that an anchor in `dir` prints, and its process. */
export async function spawnAnchor(
  dir: string,
  validators: number,
): Promise<{ said: Record<string, unknown>; child: ChildProcess }> {
  const script = join(import.meta.dirname, 'anchor-child.ts')
  const child = spawn(process.execPath, [script, dir, String(validators)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  for await (const line of createInterface({ input: child.stdout! })) return { said: JSON.parse(line), child }
  throw new Error('the anchor process ended without a word')
}

/** Starts an anchor in `dir` and waits until it serves. */
export async function startAnchorProcess(dir: string, validators = 1): Promise<AnchorProcess> {
  const { said, child } = await spawnAnchor(dir, validators)
  if (said.type !== 'ready') throw new Error(`the anchor did not start: ${JSON.stringify(said)}`)
  // Listened for from the start: an anchor may end by itself before `end` is called.
  const gone = once(child, 'exit')
  return {
    ...(said as Pick<AnchorProcess, 'rpcUrl' | 'chainId' | 'trust'>),
    async end(signal) {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal)
      await gone
    },
  }
}
