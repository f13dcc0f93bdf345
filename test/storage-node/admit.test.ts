import { describe, expect, test } from 'vitest'
import { XcareError } from '../../src/errors.ts'
import type { NodeId } from '../../src/ids.ts'
import { OPEN_PUTS_MAX } from '../../src/limits.ts'
import {
  admitPut,
  checkDeleteSignature,
  checkPutSignature,
  columnsPerNodeMax,
  type PutFacts,
} from '../../src/storage-node/admit.ts'
import { AUDIENCE, deleteOf, makeObject, openPutOf, seededBytes } from './made-object.ts'

const object = makeObject({ seed: 1, k: 6, n: 12 })
const order = openPutOf(object)
const FREE: PutFacts = {
  ...{ readOnly: null, openPuts: 0, knownOwner: null, deletedVersion: 0, isComplete: false, begunAs: [] },
  ...{ otherColumns: 0, cost: 1000, aheadBytes: 400, quotaBytes: 1000, roomBytes: 400 },
}
const codeOf = (work: () => void) => {
  try {
    work()
    return 'admitted'
  } catch (error) {
    return error instanceof XcareError ? error.code : error
  }
}
const verdict = (facts: Partial<PutFacts>, change = {}) =>
  codeOf(() => admitPut({ ...order, ...change }, { ...FREE, ...facts }))

describe('a put', () => {
  test.each<[string, Partial<PutFacts>, string]>([
    ['that fits to the byte', {}, 'admitted'],
    ['one byte above the quota', { quotaBytes: 999 }, 'QUOTA_FULL'],
    ['one byte above what others were not promised', { roomBytes: 399 }, 'QUOTA_FULL'],
    ['on a full disk', { readOnly: 'full' }, 'NO_SPACE'],
    ['of another owner', { knownOwner: seededBytes(9, 32) }, 'REFUSED'],
    ['of the known owner', { knownOwner: object.owner.publicKey }, 'admitted'],
    ['of a deleted version', { deletedVersion: 1 }, 'REFUSED'],
    ['begun with another layout', { begunAs: [object.layout, { ...object.layout, stripes: 1 }] }, 'REFUSED'],
    ['begun with the same layout', { begunAs: [object.layout] }, 'admitted'],
    ['of one column too many', { otherColumns: 1 }, 'REFUSED'],
    ['above what may be under way', { openPuts: OPEN_PUTS_MAX }, 'BUSY'],
    [
      'of a finished column, whatever is full: only its receipt is wanted',
      { isComplete: true, readOnly: 'full', roomBytes: -5 },
      'admitted',
    ],
  ])('%s', (_, facts, expected) => {
    expect(verdict(facts)).toBe(expected)
  })

  test('of an impossible object', () => {
    expect(verdict({}, { k: 12 })).toBe('MALFORMED')
    expect(verdict({}, { k: 1 })).toBe('MALFORMED')
    expect(verdict({}, { n: 32_769 })).toBe('MALFORMED')
    expect(verdict({}, { stripes: 65_536, shardBytes: 65_536 })).toBe('MALFORMED')
    expect(verdict({}, { stripes: 683, shardBytes: 65_536 })).toBe('admitted')
  })
})

test('one node holds fewer than a third of the threshold, and at least one column', () => {
  expect([2, 3, 4, 6, 7, 16, 20].map(columnsPerNodeMax)).toEqual([1, 1, 1, 1, 2, 5, 6])
})

test('a signature holds for one node, one network and exactly these fields', () => {
  expect(codeOf(() => checkPutSignature(order, AUDIENCE))).toBe('admitted')
  const other = { ...AUDIENCE, nodeId: 'other' as NodeId }
  expect(codeOf(() => checkPutSignature(order, other))).toBe('REFUSED')
  expect(codeOf(() => checkPutSignature(order, { ...AUDIENCE, network: 'other' }))).toBe('REFUSED')
  for (const change of [
    { version: 2 },
    { columns: [1] },
    { stripes: 99 },
    { objectId: seededBytes(2, 32) },
    { ownerKey: seededBytes(3, 32) },
  ])
    expect(codeOf(() => checkPutSignature({ ...order, ...change }, AUDIENCE))).toBe('REFUSED')
})

test('a delete order is not a put order, and not for another network or version', () => {
  const deletion = deleteOf(object)
  expect(codeOf(() => checkDeleteSignature(deletion, AUDIENCE.network))).toBe('admitted')
  expect(codeOf(() => checkDeleteSignature(deletion, 'other'))).toBe('REFUSED')
  expect(codeOf(() => checkDeleteSignature({ ...deletion, version: 2 }, AUDIENCE.network))).toBe('REFUSED')
  expect(
    codeOf(() => checkDeleteSignature({ ...deletion, signature: order.signature }, AUDIENCE.network)),
  ).toBe('REFUSED')
})
