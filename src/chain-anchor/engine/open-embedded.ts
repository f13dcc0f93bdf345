import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { equalBytes } from '../../bytes.ts'
import type { SigningKey } from '../../crypto/sign.ts'
import { XcareError } from '../../errors.ts'
import type { Clock, Progress } from '../../ports.ts'
import { XcareApp } from '../app/app.ts'
import type { Genesis } from '../app/genesis.ts'
import { asStoreError } from '../state/sqlite.ts'
import { BlockStore } from './blockstore.ts'
import { EmbeddedEngine } from './embedded.ts'
import { openState } from './rebuild-state.ts'
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
  /**
   * The newest block that somebody else remembers of this chain: one that does not have it is not continued.
   */
  known?: KnownBlock | null
  log?: Progress
  /** Lets one process play the validators of several institutions, against the advice of its status. */
  allowSeveralInstitutions?: boolean
}

/** A block that `by` has verified, so that it was on the chain. */
export interface KnownBlock {
  height: number
  hash: Uint8Array
  /** For messages: whose memory it is. */
  by: string
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
    const store = open(openBlocks(join(options.folder, 'blocks.sqlite')))
    const signState = open(new SignState(join(options.folder, 'sign-state')))
    checkBlocks(store, signState, options.known ?? null)
    const { genesis, keys, clock, intervalMs = 20, heartbeatMs } = options
    const { state, rebuilt } = openState(join(options.folder, 'state.sqlite'), store, genesis)
    open(state)
    if (rebuilt > 0) options.log?.({ type: 'state-rebuilt', blocks: rebuilt })
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

function openBlocks(path: string): BlockStore {
  try {
    return new BlockStore(path)
  } catch (cause) {
    const error = asStoreError(cause)
    if (!(error instanceof XcareError) || error.code !== 'INTEGRITY') throw error
    throw new XcareError('INTEGRITY', 'the blocks of this chain are damaged: data/blocks.sqlite', {
      cause,
      next: 'put the whole folder of the chain back from its newest copy',
    })
  }
}

/**
 * Nothing is signed before it is sure that these are the newest blocks of the chain.
 * @throws XcareError INTEGRITY
 */
function checkBlocks(store: BlockStore, signState: SignState, known: KnownBlock | null): void {
  const signed = signState.last.height
  if (store.height === 0 && signed > 1)
    throw new XcareError(
      'INTEGRITY',
      'the blocks of this chain are gone: data/blocks.sqlite is missing or empty',
      {
        next: 'put the whole folder of the chain back from its newest copy',
      },
    )
  if (signed > store.height + 1)
    throw new XcareError(
      'INTEGRITY',
      `block ${signed} was signed, but the chain ends at ${store.height}: its folder was brought back from an older copy`,
      { next: OLDER_COPY },
    )
  if (!known) return
  const own = store.block(known.height)
  if (own && equalBytes(own.id.hash, known.hash)) return
  const ends = own ? `has another block ${known.height}` : `ends at block ${store.height}`
  throw new XcareError(
    'INTEGRITY',
    `this chain ${ends}, and ${known.by} has verified block ${known.height}: its folder was brought back from an older copy`,
    { next: OLDER_COPY },
  )
}

const OLDER_COPY =
  'put the newest copy of the folder back; if there is none, `npx xcare light trust --restored` says what going on costs'

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
