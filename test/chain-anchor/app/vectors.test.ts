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

  test('the life of a chain gives the same hash after every block', () => {
    const app = new XcareApp(new MemoryState(), life.chainId)
    app.initChain({ chainId: life.chainId, appState: fromHex(life.appState), initialHeight: 1 })
    for (const { height, timeMs, hash, txs, appHash } of life.blocks) {
      const made = app.finalizeBlock({ height, timeMs, hash: fromHex(hash), txs: txs.map(fromHex) })
      app.commit()
      expect(toHex(made.appHash), `block ${height}`).toBe(appHash)
    }
  })
})
