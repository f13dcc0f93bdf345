import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { SigningKey } from '../../crypto/sign.ts'
import { XcareError } from '../../errors.ts'
import type { Clock } from '../../ports.ts'
import { XcareApp } from '../app/app.ts'
import type { Genesis } from '../app/genesis.ts'
import { asStoreError } from '../state/sqlite.ts'
import { SqliteState } from '../state/state-sqlite.ts'
import { BlockStore } from './blockstore.ts'
import { EmbeddedEngine } from './embedded.ts'
import { SignState } from './sign-state.ts'

/** How to run a chain in this process. */
export interface EmbeddedOptions {
  /** Folder for blocks, state and sign state; made when it is missing. */
  folder: string
  genesis: Genesis
  keys: readonly SigningKey[]
  clock: Clock
  /** Time between two blocks with transactions, at least; 20 ms unless told otherwise. */
  intervalMs?: number
  heartbeatMs?: number
  /** Lets one process play the validators of several institutions, against the advice of its status. */
  allowSeveralInstitutions?: boolean
}

/** A running chain and what must be closed after it. */
export interface EmbeddedChain {
  engine: EmbeddedEngine
  /** Stops the engine and closes its files. */
  close(): Promise<void>
}

/** Opens the chain in `folder` and makes it go. @throws XcareError LOCKED, USAGE, INTEGRITY, NO_SPACE */
export function openEmbedded(options: EmbeddedOptions): EmbeddedChain {
  checkInstitutions(options)
  mkdirSync(options.folder, { recursive: true, mode: 0o700 })
  const opened: { close(): void }[] = []
  const open = <T extends { close(): void }>(resource: T): T => {
    opened.push(resource)
    return resource
  }
  const closeAll = () => {
    for (const resource of opened.reverse()) resource.close()
  }
  try {
    // Its lock keeps a second process out of the whole folder.
    const store = open(new BlockStore(join(options.folder, 'blocks.sqlite')))
    const state = open(new SqliteState(join(options.folder, 'state.sqlite')))
    const signState = open(new SignState(join(options.folder, 'sign-state')))
    const { genesis, keys, clock, intervalMs = 20, heartbeatMs } = options
    const app = new XcareApp(state, genesis.chainId)
    const engine = EmbeddedEngine.start({
      genesis,
      app,
      store,
      signState,
      keys,
      clock,
      intervalMs,
      heartbeatMs,
    })
    return {
      engine,
      async close() {
        try {
          await engine.stop()
        } finally {
          closeAll()
        }
      },
    }
  } catch (cause) {
    closeAll()
    throw asStoreError(cause)
  }
}

function checkInstitutions({ genesis, allowSeveralInstitutions = false }: EmbeddedOptions): void {
  const names = new Set(genesis.validators.map(({ institution }) => institution))
  if (names.size > 1 && !allowSeveralInstitutions)
    throw new XcareError(
      'USAGE',
      'this genesis has validators of several institutions: one process must not play them all',
      {
        next: 'Run CometBFT with this application at each institution.',
      },
    )
}
