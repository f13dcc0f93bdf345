import { join } from 'node:path'
import { fromUtf8, toHex, utf8 } from '../bytes.ts'
import { decodeGenesis, encodeGenesis, type Genesis } from '../chain-anchor/app/genesis.ts'
import type { SigningKey } from '../crypto/sign.ts'
import { XcareError } from '../errors.ts'
import type { Clock, Random } from '../ports.ts'
import { uint, z } from '../schema.ts'
import { keepValidatorKeys, readOrNull, writeWhole } from './keys.ts'

const VALIDATOR_POWER = 10

/** How a new chain begins. */
export interface GenesisDraft {
  /** Name of the network; a name with eight random digits unless given. */
  chainId?: string
  /** Keys that may admit institutions, Ed25519, 32 bytes each; at least one. */
  governors: Uint8Array[]
  /** Blocks between two epochs, at least; 1 unless given. */
  epochBlocksMin?: number
  /** Validators this process plays; 1 unless given. */
  validators?: number
  /** Who runs them; `local` unless given. */
  institution?: string
}

/** The genesis of the chain in a folder, and the keys of its validators. */
export interface AnchorSetup {
  genesis: Genesis
  keys: SigningKey[]
}

/**
 * Reads the set-up in `dir`, or makes it from `draft` at the first start.
 * @throws XcareError NOT_INITIALISED when there is none and no draft, MALFORMED when it is damaged.
 */
export async function keepSetup(
  dir: string,
  draft: GenesisDraft | null,
  clock: Clock,
  random: Random,
): Promise<AnchorSetup> {
  const path = join(dir, 'genesis.json')
  const folder = join(dir, 'keys')
  const kept = await readOrNull(path)
  if (kept) {
    const genesis = decodeGenesis(fromUtf8(kept))
    return { genesis, keys: await keepValidatorKeys(folder, genesis.validators.length, random) }
  }
  if (!draft)
    throw new XcareError('NOT_INITIALISED', `there is no anchoring chain in ${dir}`, {
      next: 'Start a network with `npx xcare up`.',
    })
  const keys = await keepValidatorKeys(folder, draft.validators ?? 1, random)
  const genesis: Genesis = {
    chainId: draft.chainId ?? `xcare-${toHex(random.bytes(4))}`,
    timeMs: clock.nowMs(),
    validators: keys.map(({ publicKey }) => ({
      publicKey,
      power: VALIDATOR_POWER,
      institution: draft.institution ?? 'local',
    })),
    params: { governors: draft.governors, epochBlocksMin: draft.epochBlocksMin ?? 1 },
  }
  const text = encodeGenesis(genesis)
  decodeGenesis(text)
  await writeWhole(path, utf8(text))
  return { genesis, keys }
}

const portFile = z.strictObject({ rpcPort: uint(65535) })

/** @returns the port kept in `dir` since the first start, or null. @throws XcareError MALFORMED */
export async function keptPort(dir: string): Promise<number | null> {
  const kept = await readOrNull(join(dir, 'anchor.json'))
  if (!kept) return null
  try {
    return portFile.parse(JSON.parse(fromUtf8(kept))).rpcPort
  } catch (cause) {
    throw new XcareError('MALFORMED', `anchor.json in ${dir} is damaged`, {
      cause,
      next: 'Remove it: a new port is chosen then.',
    })
  }
}

/** Keeps the port for the next start. */
export async function keepPort(dir: string, rpcPort: number): Promise<void> {
  await writeWhole(join(dir, 'anchor.json'), utf8(`${JSON.stringify({ rpcPort })}\n`))
}
