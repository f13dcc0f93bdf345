import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { fromHex, toHex } from '../../../src/bytes.ts'
import { XcareApp } from '../../../src/chain-anchor/app/app.ts'
import { decodeTx, verifyTxSignatures } from '../../../src/chain-anchor/app/tx.ts'
import { MemoryState } from './memory-state.ts'
import { appHashVectors, transactionVectors } from './vector-cases.ts'

const load = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../vectors/${name}.json`, import.meta.url), 'utf8'))
const transactions: ReturnType<typeof transactionVectors> = load('transaction')
const life: ReturnType<typeof appHashVectors> = load('app-hash')
/** A chain that began before names had to follow from keys. */
const firstRules: typeof life = { ...load('app-hash-rules-1'), rules: 1 }

describe('frozen vectors', () => {
  test('are what this code makes: no format and no rule has changed', () => {
    expect(transactionVectors()).toEqual(transactions)
    expect(appHashVectors()).toEqual(life)
  })

  test.each(transactions.accept)('transaction: $name', ({ hex, bodyHash }) => {
    const tx = decodeTx(fromHex(hex))
    expect(toHex(tx.bodyHash)).toBe(bodyHash)
    expect(verifyTxSignatures(tx)).toBe(true)
  })

  test.each(transactions.reject)('transaction that must be refused: $name', ({ hex, signatureOnly }) => {
    if (signatureOnly) expect(verifyTxSignatures(decodeTx(fromHex(hex)))).toBe(false)
    else expect(() => decodeTx(fromHex(hex))).toThrowError(expect.objectContaining({ code: 'MALFORMED' }))
  })

  test.each([life, firstRules])(
    'a chain under rules $rules gives the same hash after every block',
    (chain) => {
      const app = new XcareApp(new MemoryState(), chain.chainId)
      app.initChain({ chainId: chain.chainId, appState: fromHex(chain.appState), initialHeight: 1 })
      for (const { height, timeMs, hash, txs, appHash } of chain.blocks) {
        const block = { height, timeMs, hash: fromHex(hash), txs: txs.map(fromHex) }
        const made = app.finalizeBlock({ ...block, appVersion: chain.rules })
        app.commit()
        expect(toHex(made.appHash), `block ${height}`).toBe(appHash)
      }
    },
  )
})
