import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { LightBlock } from '../../chain-anchor/comet/types.ts'
import type { KnownBlock } from '../../chain-anchor/engine/open-embedded.ts'
import { LightStore } from '../../chain-anchor/light/store.ts'
import { openFolder } from '../folder.ts'
import { listWallets } from '../wallet.ts'
import type { NetworkFolder } from './network-folder.ts'
import { partName, rolesOf } from './parts.ts'

/** Where one part of a network keeps the newest block it has verified. `folder` is a path. */
export interface ChainMemory {
  /** For messages: `guardian 1`, `wallet owner`. */
  name: string
  folder: string
}

/** @returns the memories of all parts and wallets in a network's folder, of those that have one. */
export async function chainMemories(folder: NetworkFolder): Promise<ChainMemory[]> {
  const roles = await rolesOf(folder)
  const parts = roles.map((role) => ({ name: partName(role), folder: join(role.folder, 'light') }))
  const wallets = (await listWallets(folder)).map((name) => ({
    name: `wallet ${name}`,
    folder: folder.wallet(name),
  }))
  const looker = { name: 'this folder', folder: join(folder.root, 'light') }
  return [...parts, ...wallets, looker].filter((memory) => existsSync(memory.folder))
}

/** @returns the newest block of `chainId` that a part remembers, or null. */
export async function rememberedBy(memory: ChainMemory, chainId: string): Promise<LightBlock | null> {
  return new LightStore(await openFolder(memory.folder), chainId).load()
}

/**
 * @returns the newest block of `chainId` that any part of the network's folder remembers, or null when none
 * does.
 */
export async function newestRemembered(folder: NetworkFolder, chainId: string): Promise<KnownBlock | null> {
  let newest: KnownBlock | null = null
  for (const memory of await chainMemories(folder)) {
    // What cannot be read here remembers nothing; its own part says so when it starts.
    const block = await rememberedBy(memory, chainId).catch(() => null)
    if (!block || (newest && block.header.height <= newest.height)) continue
    newest = { height: block.header.height, hash: block.commit.blockId.hash, by: memory.name }
  }
  return newest
}

/**
 * Lets every memory of `memories` begin anew from `block`, because a person said so: nothing proves that it
 * follows from what they knew.
 * @returns how many knew a newer block before
 */
export async function trustBlock(memories: readonly ChainMemory[], block: LightBlock): Promise<number> {
  let newer = 0
  for (const { folder } of memories) {
    const before = await new LightStore(await openFolder(folder), block.header.chainId).trust(block)
    if (before && before.header.height > block.header.height) newer++
  }
  return newer
}
