import { equalBytes, utf8 } from '../../bytes.ts'
import { bytes, format, uint, z } from '../../schema.ts'
import { load, type StateView } from './state.ts'

const params = z.strictObject({
  governors: z.array(bytes(32)).min(1).max(64),
  epochBlocksMin: uint(1_000_000).min(1),
})

/** Rules that the genesis sets: keys that may admit institutions, and blocks between two epochs, at least. */
export type ChainParams = z.infer<typeof params>

/** Codec of ChainParams, kept at `paramsKey()`. Spec: docs/spec/state.md. */
export const chainParams = format<ChainParams>('chain parameters', 4096, params)

/** Key of the ChainParams. */
export const paramsKey = (): Uint8Array => utf8('params')

/** @returns the parameters in force. */
export function paramsOf(state: StateView): ChainParams {
  return load(state, paramsKey(), chainParams) ?? { governors: [], epochBlocksMin: 1 }
}

/** @returns whether `signedBy` holds for one of the governors. */
export function signedByGovernor(state: StateView, signedBy: (key: Uint8Array) => boolean): boolean {
  return paramsOf(state).governors.some((key) => signedBy(key))
}

/** @returns whether `keys` holds no key twice. */
export function allDifferent(keys: readonly Uint8Array[]): boolean {
  return keys.every((key, at) => keys.findIndex((other) => equalBytes(other, key)) === at)
}
