import { describe, expect, test } from 'vitest'
import { utf8 } from '../../../src/bytes.ts'
import { decodeAppState, decodeGenesis, encodeGenesis } from '../../../src/chain-anchor/app/genesis.ts'
import { testGenesis } from '../engine/chain-folder.ts'
import { key } from './chain-actors.ts'

interface GenesisFile {
  genesis_time: string
  chain_id: string
  initial_height: string
  consensus_params: { block: { max_bytes: string } }
  validators: { pub_key: { type: string; value: string }; power: string }[]
  app_state: Record<string, unknown>
}

const text = encodeGenesis(testGenesis([10, 5]))
const changed = (change: (file: GenesisFile) => void): string => {
  const file = JSON.parse(text) as GenesisFile
  change(file)
  return JSON.stringify(file)
}

describe('a genesis', () => {
  test('is read as it was written', () => {
    expect(decodeGenesis(text)).toEqual(testGenesis([10, 5]))
  })

  test.each<[string, (file: GenesisFile) => void]>([
    [
      'another block size',
      (file) => {
        file.consensus_params.block.max_bytes = '1'
      },
    ],
    [
      'a later start',
      (file) => {
        file.initial_height = '2'
      },
    ],
    [
      'a name that is none',
      (file) => {
        file.chain_id = 'a b'
      },
    ],
    [
      'no validator',
      (file) => {
        file.validators = []
      },
    ],
    [
      'a validator twice',
      (file) => {
        file.validators[1] = file.validators[0]
      },
    ],
    [
      'a key of another kind',
      (file) => {
        file.validators[0].pub_key.type = 'tendermint/PubKeySecp256k1'
      },
    ],
    [
      'a key that is too short',
      (file) => {
        file.validators[0].pub_key.value = 'AAAA'
      },
    ],
    [
      'no power',
      (file) => {
        file.validators[0].power = '0'
      },
    ],
    [
      'no governor',
      (file) => {
        file.app_state.governors = []
      },
    ],
    [
      'an unknown rule',
      (file) => {
        file.app_state.mint = true
      },
    ],
    [
      'a time of another zone',
      (file) => {
        file.genesis_time = '2026-01-01T00:00:00+01:00'
      },
    ],
  ])('with %s is refused', (_, change) => {
    expect(() => decodeGenesis(changed(change))).toThrowError(expect.objectContaining({ code: 'MALFORMED' }))
  })

  test('that is not JSON, too long, or names a governor twice is refused', () => {
    const governor = Array.from(key('governor').publicKey, (byte) => byte.toString(16).padStart(2, '0')).join(
      '',
    )
    expect(() => decodeGenesis('{')).toThrow(/not JSON/)
    expect(() => decodeGenesis(' '.repeat(300_000))).toThrow(/too long/)
    expect(() =>
      decodeAppState(utf8(JSON.stringify({ governors: [governor, governor], epochBlocksMin: 1 }))),
    ).toThrow(/twice/)
  })
})
