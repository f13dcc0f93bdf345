import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

/** @returns a folder of this test file alone, removed when its tests are over. */
export function scratchFolder(): string {
  const path = mkdtempSync(join(tmpdir(), 'xcare-sdk-'))
  afterAll(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** @returns the code of the error that `run` ends with, or null when it ends well. */
export async function codeOf(run: () => Promise<unknown>): Promise<string | null> {
  try {
    await run()
    return null
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}
