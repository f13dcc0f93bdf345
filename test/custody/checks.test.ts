import { beforeAll, describe, expect, test } from 'vitest'
import { sha256 } from '../../src/crypto/hash.ts'
import { grantCommitment, grantFormat, makeGrant, openingFor } from '../../src/custody/grant.ts'
import {
  firstRefusal,
  grantInside,
  RELEASE_CHECKS,
  type ReleaseFacts,
} from '../../src/custody/release/checks.ts'
import {
  isAboutGrant,
  REFUSAL_REASONS,
  type RefusalReason,
  refusalWords,
} from '../../src/custody/release/refusal.ts'
import * as sample from './sample.ts'

const { NOW_MS, fill } = sample
const DAY_MS = 86_400_000
const limits = { granteeHour: 100, granteeMinute: 20, guardianMinute: 50 }
let terms: Awaited<ReturnType<typeof sample.dealSample>>['terms']

beforeAll(async () => {
  terms = (await sample.dealSample()).terms
})

/** Facts of a release that must be allowed. */
function facts({
  request = sample.requestSample().signed,
  ...changes
}: Partial<ReleaseFacts> = {}): ReleaseFacts {
  const { value } = request
  const grant = grantInside(request)
  return {
    ...{
      nowMs: NOW_MS,
      network: sample.NETWORK,
      guardianId: 'guardian-a',
      request,
      grant,
      nonceUsed: false,
      limits,
    },
    view: {
      ...{
        chainId: sample.NETWORK,
        headHeight: 100,
        headTimeMs: NOW_MS - 500,
        provenHeight: 99,
        guardianActive: true,
      },
      grantee: { signKey: sample.granteeKey.publicKey, kemKey: sample.granteeKemKey },
      grant: {
        commitment: grantCommitment(value.salt, value.grant),
        revokeKey: sample.revokeKey.publicKey,
        notAfterMs: grant?.notAfterMs ?? 0,
        status: 'active',
      },
      custody: { ...terms, frozen: false, status: 'active' },
    },
    row: { index: 0, epoch: 1, policyHash: terms.policyHash, destroyed: false },
    counts: { object: 0, granteeHour: 0, granteeMinute: 0 },
    hasRoom: true,
    ...changes,
  }
}

const withView = (changes: Partial<NonNullable<ReleaseFacts['view']>>) => () => {
  const good = facts()
  return { ...good, view: { ...good.view!, ...changes } }
}
const withCustody = (changes: object) => () =>
  withView({ custody: { ...facts().view!.custody!, ...changes } })()
const withLeaf = (changes: object) => () => withView({ grant: { ...facts().view!.grant!, ...changes } })()
const withRequest = (changes: Parameters<typeof sample.requestSample>[0]) => () =>
  facts({ request: sample.requestSample(changes).signed })
const withGrant = (changes: Parameters<typeof sample.grantSample>[0]) => () =>
  facts({ request: sample.requestSample({}, sample.grantSample(changes)).signed })

const otherGrant = () => {
  const wider = sample.grantSample({ notAfterMs: NOW_MS + 365 * DAY_MS })
  return { ...facts(), ...facts({ request: sample.requestSample({}, wider).signed }), view: facts().view }
}

/** Another owner's object slipped into a grant that its own owner never signed. */
const foreignObject = () => {
  const foreign = makeGrant(sample.grantSample().grant, fill(13), [
    { objectId: sample.objectId, ownerKey: sample.otherKey, name: 'x' },
  ])
  return facts({ request: sample.requestSample({}, foreign).signed })
}

const table: [check: string, what: string, make: () => ReleaseFacts, reason: RefusalReason][] = [
  ['form', 'a grant in no known form', withRequest({ grant: fill(1, 40) }), 'malformed'],
  [
    'form',
    'a grant with a byte behind its end',
    withRequest({ grant: new Uint8Array([...sample.grantSample().grantBytes, 0]) }),
    'malformed',
  ],
  ['form', 'another network', withRequest({ network: 'xcare-other' }), 'wrong-network'],
  ['form', 'a grant of another network', withGrant({ network: 'xcare-other' }), 'wrong-network'],
  ['form', 'another guardian', withRequest({ guardianId: 'guardian-b' }), 'wrong-guardian'],
  ['form', 'a clock a minute behind', withRequest({ timeMs: NOW_MS - 60_001 }), 'clock-skew'],
  ['form', 'a clock a minute ahead', withRequest({ timeMs: NOW_MS + 60_001 }), 'clock-skew'],
  ['form', 'a used nonce', () => facts({ nonceUsed: true }), 'replayed'],
  ['grantee', 'an identity the chain does not know', withView({ grantee: null }), 'unknown-grantee'],
  [
    'grantee',
    'a signature by another key',
    () => facts({ request: sample.requestSample({}, sample.grantSample(), sample.otherKey).signed }),
    'bad-signature',
  ],
  [
    'grantee',
    'a key rotated away',
    withView({ grantee: { signKey: sample.otherKey.publicKey, kemKey: sample.granteeKemKey } }),
    'bad-signature',
  ],
  [
    'grantee',
    'an asker who is not the grantee',
    withRequest({ granteeDid: 'did:xcare:xcare-test:other' }),
    'wrong-grantee',
  ],
  [
    'grantee',
    'another encryption key',
    withView({ grantee: { signKey: sample.granteeKey.publicKey, kemKey: fill(7, 1216) } }),
    'wrong-key',
  ],
  ['view', 'no view of the chain', () => facts({ view: null }), 'stale-view'],
  ['view', 'a header 31 s old', withView({ headTimeMs: NOW_MS - 30_001 }), 'stale-view'],
  ['view', 'a header from the future', withView({ headTimeMs: NOW_MS + 10_001 }), 'stale-view'],
  ['view', 'values three blocks behind', withView({ provenHeight: 97 }), 'stale-view'],
  ['view', 'another chain', withView({ chainId: 'xcare-other' }), 'wrong-network'],
  ['grant', 'no such grant on the chain', withView({ grant: null }), 'no-grant'],
  ['grant', 'no custody record', withView({ custody: null }), 'no-custody'],
  ['grant', 'a destroyed custody record', withCustody({ status: 'destroyed' }), 'destroyed'],
  ['grant', 'another grant than the committed one', otherGrant, 'altered-grant'],
  [
    'grant',
    'another salt',
    () => ({ ...facts({ request: sample.requestSample({ salt: fill(99) }).signed }), view: facts().view }),
    'altered-grant',
  ],
  [
    'grant',
    'a revoke key the owner did not sign',
    withLeaf({ revokeKey: sample.otherKey.publicKey }),
    'altered-grant',
  ],
  [
    'grant',
    'an end on the chain the owner did not sign',
    withLeaf({ notAfterMs: NOW_MS + 2 * DAY_MS }),
    'altered-grant',
  ],
  [
    'grant',
    'a grant not signed by the owner of this object',
    withRequest({ ownerSignature: fill(1, 64) }),
    'not-by-owner',
  ],
  ['grant', 'an object of another owner', foreignObject, 'not-by-owner'],
  ['grant', 'a revoked grant', withLeaf({ status: 'revoked' }), 'revoked'],
  ['grant', 'a grant not yet valid', withGrant({ notBeforeMs: NOW_MS }), 'not-yet-valid'],
  ['grant', 'an expired grant, by the chain', withGrant({ notAfterMs: NOW_MS - 500 }), 'expired'],
  ['grant', 'an expired grant, by the own clock alone', withGrant({ notAfterMs: NOW_MS - 100 }), 'expired'],
  ['scope', 'an object outside the grant', withRequest({ objectId: fill(21) }), 'out-of-scope'],
  [
    'scope',
    'the proof of another object',
    () => facts({ request: sample.requestSample({ at: 1 }).signed }),
    'out-of-scope',
  ],
  ['scope', 'a longer proof', withRequest({ proof: [fill(1), fill(2)] }), 'out-of-scope'],
  ['scope', 'custody of another object', withCustody({ objectId: fill(22) }), 'out-of-scope'],
  ['scope', 'no share here', () => facts({ row: null }), 'no-share'],
  ['scope', 'a destroyed share', () => facts({ row: { ...facts().row!, destroyed: true } }), 'destroyed'],
  ['scope', 'a share of an earlier epoch', withCustody({ epoch: 2 }), 'wrong-epoch'],
  [
    'scope',
    'a guardian no longer in the record',
    withCustody({ guardians: ['guardian-x', 'b', 'c', 'd'] }),
    'no-share',
  ],
  ['scope', 'another policy', withCustody({ policyHash: fill(1) }), 'wrong-policy'],
  ['purpose', 'another purpose', withRequest({ purpose: 'HRESCH' }), 'wrong-purpose'],
  [
    'limits',
    'more releases than granted',
    () => facts({ counts: { ...facts().counts, object: 5 } }),
    'limit-reached',
  ],
  [
    'limits',
    'too many to this grantee in an hour',
    () => facts({ counts: { ...facts().counts, granteeHour: 100 } }),
    'rate-limited',
  ],
  [
    'limits',
    'too many to this grantee in a minute',
    () => facts({ counts: { ...facts().counts, granteeMinute: 20 } }),
    'rate-limited',
  ],
  ['limits', 'too many by this guardian', () => facts({ hasRoom: false }), 'rate-limited'],
  ['standing', 'a frozen record', withCustody({ frozen: true }), 'frozen'],
  ['standing', 'a retired guardian', withView({ guardianActive: false }), 'guardian-retired'],
]

describe('the checks before a release', () => {
  test('allow what the owner granted, at the edges of every limit', () => {
    expect(firstRefusal(facts())).toBeNull()
    const edge = facts({ counts: { object: 4, granteeHour: 99, granteeMinute: 19 } })
    edge.view = { ...edge.view!, headTimeMs: NOW_MS - 999, provenHeight: 98 }
    expect(firstRefusal(edge)).toBeNull()
    expect(
      firstRefusal(facts({ request: sample.requestSample({ timeMs: NOW_MS - 60_000 }).signed })),
    ).toBeNull()
  })

  test.each(table)('%s: %s is refused', (check, _, make, reason) => {
    const wrong = make()
    expect(firstRefusal(wrong)).toBe(reason)
    const name = RELEASE_CHECKS.find(([, run]) => run(wrong) !== null)?.[0]
    // Without a view there are no keys either, so check 2 speaks first.
    expect(name).toBe(wrong.view ? check : 'grantee')
  })

  test('the table has a case for every check and every reason it can give', () => {
    expect(new Set(table.map(([check]) => check))).toEqual(new Set(RELEASE_CHECKS.map(([name]) => name)))
    const notAboutReleases: RefusalReason[] = ['not-owner', 'wrong-share', 'full', 'busy', 'failed']
    const given = new Set(table.map(([, , , reason]) => reason))
    expect(REFUSAL_REASONS.filter((reason) => !given.has(reason))).toEqual(notAboutReleases)
  })

  test('each check fails closed on facts that are missing altogether', () => {
    const nothing = { ...facts(), grant: null, view: null, row: null }
    for (const [name, check] of RELEASE_CHECKS) expect(check(nothing), name).not.toBeNull()
  })

  test('every reason has words for people', () => {
    for (const reason of REFUSAL_REASONS) expect(refusalWords(reason)).toMatch(/^[a-z].*[a-z]$/)
    expect(isAboutGrant('revoked')).toBe(true)
    expect(isAboutGrant('stale-view')).toBe(false)
  })

  test('20,000 requests altered by one bit are all refused', () => {
    const good = sample.requestSample()
    const base = facts()
    let accepted = 0
    for (let round = 0; round < 20_000; round++) {
      const bytes = good.bytes.slice()
      const at = (round * 7919) % bytes.length
      bytes[at]! ^= 1 << (round % 8)
      const request = tryDecode(bytes)
      if (request && firstRefusal({ ...base, request, grant: grantInside(request) }) === null) accepted++
    }
    expect(accepted).toBe(0)
  }, 60_000)

  test('a grant that was re-encoded differently is another grant', () => {
    const { grant, grantBytes } = sample.grantSample()
    expect(grantFormat.encode(grant)).toEqual(grantBytes)
    expect(openingFor(sample.grantSample(), sample.objectId).proof).toHaveLength(1)
    expect(sha256(grantBytes)).toHaveLength(32)
  })
})

function tryDecode(bytes: Uint8Array) {
  try {
    return sample.decodeRequest(bytes)
  } catch {
    return null
  }
}
