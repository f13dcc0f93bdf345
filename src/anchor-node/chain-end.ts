import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { LightBlock } from '../chain-anchor/comet/types.ts'
import { BlockStore } from '../chain-anchor/engine/blockstore.ts'

/**
 * @returns the newest block of the stopped chain in `dir`, or null when it has none.
 * @throws XcareError LOCKED while it runs, INTEGRITY
 */
export function chainEnd(dir: string): LightBlock | null {
  const path = join(dir, 'data', 'blocks.sqlite')
  // Looking must not make an empty chain.
  if (!existsSync(path)) return null
  const store = new BlockStore(path)
  try {
    const newest = store.block(store.height)
    return newest && { header: newest.block.header, commit: newest.commit, validators: newest.validators }
  } finally {
    store.close()
  }
}
