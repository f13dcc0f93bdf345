import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Genesis } from '../../../src/chain-anchor/app/genesis.ts'
import {
  type EmbeddedChain,
  type EmbeddedOptions,
  openEmbedded,
} from '../../../src/chain-anchor/engine/open-embedded.ts'
import type { SigningKey } from '../../../src/crypto/sign.ts'
import { CHAIN_ID, key } from '../app/chain-actors.ts'
import { ManualClock } from './manual-clock.ts'

/** @returns a folder that is gone after the test. */
export function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'xcare-chain-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** @returns the keys of `count` validators. */
export function validatorKeys(count: number): SigningKey[] {
  return Array.from({ length: count }, (_, at) => key(`validator ${at}`))
}

/** @returns a genesis with validators of the given power each. */
export function testGenesis(powers: readonly number[], timeMs = 1_000_000): Genesis {
  const keys = validatorKeys(powers.length)
  return {
    chainId: CHAIN_ID,
    timeMs,
    validators: powers.map((power, at) => ({ publicKey: keys[at].publicKey, power, institution: 'local' })),
    params: { governors: [key('governor').publicKey], epochBlocksMin: 1 },
  }
}

/** @returns a chain that is closed after the test, on a clock that stands still. */
export function openChain(options: Partial<EmbeddedOptions> & { powers?: number[] } = {}): EmbeddedChain {
  const { powers = [10], ...rest } = options
  const chain = openEmbedded({
    folder: rest.folder ?? testFolder(),
    genesis: testGenesis(powers),
    keys: validatorKeys(powers.length),
    clock: new ManualClock(),
    ...rest,
  })
  onTestFinished(() => chain.close().catch(() => undefined))
  return chain
}
