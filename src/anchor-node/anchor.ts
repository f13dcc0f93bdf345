import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { toHex } from '../bytes.ts'
import { encodeLightBlock } from '../chain-anchor/comet/encode.ts'
import type { LightBlock } from '../chain-anchor/comet/types.ts'
import { type EmbeddedChain, type KnownBlock, openEmbedded } from '../chain-anchor/engine/open-embedded.ts'
import { type RpcServer, startRpc } from '../chain-anchor/rpc/server.ts'
import { asXcareError } from '../errors.ts'
import { GOSSIP_BYTES_MAX } from '../limits.ts'
import type { Broadcast, Clock, Progress, Random } from '../ports.ts'
import { HEADERS_TOPIC, TXS_TOPIC } from '../wire/topics.ts'
import { type GenesisDraft, keepPort, keepSetup, keptPort } from './setup.ts'

/** Blocks of so long are told by their newest header alone: it proves all before it, and every header is checked by every node. */
const HEADERS_GATHER_MS = 1_000

/** Who sent what came by gossip is not known: all of it is one sender's. */
const GOSSIP = 'gossip'

/** How to run the anchoring chain of a network as this process. */
export interface AnchorOptions {
  /** Folder of this chain; everything it keeps is inside. */
  dir: string
  /** 0 takes a free port at the first start, and that one ever after. */
  listenRpcPort: number
  /** Needed at the first start, ignored later. */
  genesis?: GenesisDraft
  broadcast?: Broadcast
  clock: Clock
  random: Random
  log: Progress
  /** Newest block of this chain that others remember: an older copy of the chain is not continued. */
  remembered?: (chainId: string) => Promise<KnownBlock | null>
  /** Time between two blocks with transactions, at least; 20 ms unless given. */
  blockIntervalMs?: number
}

/** A running anchoring chain. */
export interface AnchorNode {
  readonly rpcUrl: string
  readonly chainId: string
  /**
   * The first block, from which light clients may start: the same at every start. `hash` in lower-case hex.
   */
  readonly trust: { height: number; hash: string }
  /** Resolves when the chain was stopped, rejects when it could not go on. */
  readonly ended: Promise<void>
  stop(): Promise<void>
}

/** Starts or continues the chain in `dir`. @throws XcareError LOCKED, PORT_IN_USE, NOT_INITIALISED, INTEGRITY, NO_SPACE */
export async function startAnchor(options: AnchorOptions): Promise<AnchorNode> {
  const { dir, clock, random, log } = options
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const { genesis, keys } = await keepSetup(dir, options.genesis ?? null, clock, random)
  const known = (await options.remembered?.(genesis.chainId)) ?? null
  const chain = openEmbedded({
    known,
    log,
    folder: join(dir, 'data'),
    genesis,
    keys,
    clock,
    intervalMs: options.blockIntervalMs,
  })
  const rpc = await serve(options, chain)
  const stopping = new AbortController()
  if (options.broadcast) connect(options.broadcast, chain, options, stopping.signal)
  const first = chain.engine.block(1)
  const ended = chain.engine.ended.catch(async (cause: unknown) => {
    const error = asXcareError(cause)
    log({ type: 'anchor-ended', code: error.code, text: error.message })
    await rpc.close()
    throw error
  })
  // Whoever started this may look at `ended` or not.
  ended.catch(() => undefined)
  return {
    rpcUrl: rpc.url,
    chainId: genesis.chainId,
    trust: { height: 1, hash: toHex(first?.id.hash ?? new Uint8Array(0)) },
    ended,
    async stop() {
      stopping.abort()
      await rpc.close()
      await chain.close()
    },
  }
}

async function serve({ dir, listenRpcPort, log }: AnchorOptions, chain: EmbeddedChain): Promise<RpcServer> {
  const { engine } = chain
  try {
    const kept = await keptPort(dir)
    const rpc = await startRpc({ engine, port: listenRpcPort || (kept ?? 0) }).catch((cause: unknown) => {
      // A port that was only taken by chance may be another one; one that was asked for may not.
      if (listenRpcPort || !kept || asXcareError(cause).code !== 'PORT_IN_USE') throw cause
      log({
        type: 'port-taken',
        port: kept,
        text: `port ${kept} is taken by another program: using the next free one`,
      })
      return startRpc({ engine, port: 0 })
    })
    if (kept !== rpc.port) await keepPort(dir, rpc.port)
    return rpc
  } catch (cause) {
    await chain.close()
    throw cause
  }
}

function connect(
  broadcast: Broadcast,
  { engine }: EmbeddedChain,
  { clock, log }: Pick<AnchorOptions, 'clock' | 'log'>,
  stopped: AbortSignal,
): void {
  let isHeard = true
  let newest: LightBlock | null = null
  const tell = async () => {
    await clock.sleep(HEADERS_GATHER_MS, stopped).catch(() => {})
    const payload = newest && encodeLightBlock(newest)
    newest = null
    if (!payload || payload.length > GOSSIP_BYTES_MAX || stopped.aborted) return
    // Gossip is a courtesy: whoever misses a header asks the RPC. Silence is told once, not for every block.
    try {
      await broadcast.publish(HEADERS_TOPIC, payload)
      isHeard = true
    } catch (cause) {
      if (isHeard) log({ type: 'gossip-failed', text: asXcareError(cause).message })
      isHeard = false
    }
  }
  engine.onBlock((block) => {
    const isWaiting = newest !== null
    newest = block
    if (!isWaiting) void tell()
  })
  broadcast.subscribe(TXS_TOPIC, (payload) => {
    try {
      return engine.submit(payload, GOSSIP).answer.code === 0
    } catch {
      return false
    }
  })
}
