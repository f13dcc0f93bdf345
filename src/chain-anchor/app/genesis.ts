import { fromHex, fromUtf8, toHex, utf8 } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import { NETWORK_NAME } from '../../ids.ts'
import { BLOCK_DATA_BYTES_MAX } from '../../limits.ts'
import { text, uint, z } from '../../schema.ts'
import { fromBase64, toBase64 } from '../comet/base64.ts'
import { timeFromMs, timeFromText, timeToMs, timeToText } from '../comet/time.ts'
import { validatorAddress } from '../comet/validators.ts'
import { allDifferent, type ChainParams } from './params.ts'

/**
 * Version of the rules: `version.app` of new headers. Blocks are judged by the rules they were made under.
 */
export const APP_VERSION = 2
/** Block limits that enter ConsensusHash: bytes of a block, gas (none). */
export const BLOCK_MAX_BYTES = BLOCK_DATA_BYTES_MAX
export const BLOCK_MAX_GAS = -1

const GENESIS_TEXT_MAX = 256 * 1024
const PUBLIC_KEY_TYPE = 'tendermint/PubKeyEd25519'

/** A validator of the first block. `institution` names who runs it. */
export interface GenesisValidator {
  /** Ed25519, 32 bytes. */
  publicKey: Uint8Array
  power: number
  institution: string
}

/** The beginning of a chain: all that its first header follows from. */
export interface Genesis {
  chainId: string
  timeMs: number
  validators: GenesisValidator[]
  params: ChainParams
}

const consensusParams = (appVersion: number) => ({
  block: { max_bytes: String(BLOCK_MAX_BYTES), max_gas: String(BLOCK_MAX_GAS) },
  evidence: { max_age_num_blocks: '100000', max_age_duration: '172800000000000', max_bytes: '1048576' },
  validator: { pub_key_types: ['ed25519'] },
  version: { app: String(appVersion) },
  abci: { vote_extensions_enable_height: '0' },
})

const appState = z.strictObject({
  governors: z
    .array(z.string().regex(/^[0-9a-f]{64}$/))
    .min(1)
    .max(64),
  epochBlocksMin: uint(1_000_000).min(1),
})

const genesisShape = z.object({
  genesis_time: z.string(),
  chain_id: z.string().regex(NETWORK_NAME),
  initial_height: z.literal('1'),
  consensus_params: z.json(),
  validators: z
    .array(
      z.object({
        pub_key: z.strictObject({ type: z.literal(PUBLIC_KEY_TYPE), value: z.string() }),
        power: z.string().regex(/^[1-9]\d{0,14}$/),
        name: text(64),
      }),
    )
    .min(1)
    .max(128),
  app_state: appState,
})

/** @returns the app_state of a genesis as JSON text in bytes: what initChain gets. */
export function encodeAppState({ governors, epochBlocksMin }: ChainParams): Uint8Array {
  return utf8(JSON.stringify({ governors: governors.map(toHex), epochBlocksMin }))
}

/** Reads an app_state. @throws XcareError MALFORMED */
export function decodeAppState(bytes: Uint8Array): ChainParams {
  const { governors, epochBlocksMin } = checked(appState, parseJson(fromUtf8(bytes)))
  const keys = governors.map(fromHex)
  if (!allDifferent(keys)) throw new XcareError('MALFORMED', 'genesis: a governor is listed twice')
  return { governors: keys, epochBlocksMin }
}

/** @returns the genesis as a CometBFT genesis.json text. Spec: docs/spec/state.md 5. */
export function encodeGenesis({ chainId, timeMs, validators, params }: Genesis): string {
  const file = {
    genesis_time: timeToText(timeFromMs(timeMs)),
    chain_id: chainId,
    initial_height: '1',
    consensus_params: consensusParams(APP_VERSION),
    validators: validators.map(({ publicKey, power, institution }) => ({
      address: toHex(validatorAddress(publicKey)).toUpperCase(),
      pub_key: { type: PUBLIC_KEY_TYPE, value: toBase64(publicKey) },
      power: String(power),
      name: institution,
    })),
    app_hash: '',
    app_state: JSON.parse(fromUtf8(encodeAppState(params))),
  }
  return `${JSON.stringify(file, null, 2)}\n`
}

/** Reads a genesis.json. @throws XcareError MALFORMED on another form or on other consensus parameters than ours. */
export function decodeGenesis(input: string): Genesis {
  if (input.length > GENESIS_TEXT_MAX) throw new XcareError('MALFORMED', 'genesis: too long')
  const file = checked(genesisShape, parseJson(input))
  if (!isOurs(file.consensus_params))
    throw new XcareError('MALFORMED', 'genesis: the consensus parameters are not those of this version')
  const validators = file.validators.map(({ pub_key, power, name }) => ({
    publicKey: fromBase64(pub_key.value, 32),
    power: Number(power),
    institution: name,
  }))
  if (
    validators.some(({ publicKey }) => publicKey.length !== 32) ||
    !allDifferent(validators.map((v) => v.publicKey))
  )
    throw new XcareError('MALFORMED', 'genesis: a validator key is wrong or listed twice')
  return {
    chainId: file.chain_id,
    timeMs: timeToMs(timeFromText(file.genesis_time)),
    validators,
    params: decodeAppState(utf8(JSON.stringify(file.app_state))),
  }
}

/** A chain may have begun under older rules than today's. */
function isOurs(params: unknown): boolean {
  const found = JSON.stringify(params)
  return Array.from({ length: APP_VERSION }, (_, at) => at + 1).some(
    (version) => found === JSON.stringify(consensusParams(version)),
  )
}

function parseJson(input: string): unknown {
  try {
    return JSON.parse(input)
  } catch (cause) {
    throw new XcareError('MALFORMED', 'genesis: not JSON', { cause })
  }
}

function checked<T>(shape: z.ZodType<T>, value: unknown): T {
  const result = shape.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  throw new XcareError('MALFORMED', `genesis: ${issue?.path.join('.')}: ${issue?.message}`)
}
