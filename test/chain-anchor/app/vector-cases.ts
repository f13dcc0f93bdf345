import { toHex, utf8 } from '../../../src/bytes.ts'
import { decodeCbor, encodeCbor } from '../../../src/cbor.ts'
import { APP_VERSION, encodeAppState } from '../../../src/chain-anchor/app/genesis.ts'
import type { Message } from '../../../src/chain-anchor/app/messages.ts'
import { decodeTx, txHash } from '../../../src/chain-anchor/app/tx.ts'
import { sha256 } from '../../../src/crypto/hash.ts'
import { nodeIdOfKey } from '../../../src/ids.ts'
import { CHAIN_ID, key, make, objectOf, person, seeded, tx } from './chain-actors.ts'
import { TestChain } from './memory-state.ts'

const guardianId = nodeIdOfKey(key('guardian a').publicKey)
const objectId = objectOf('o')
const ana = person('ana')

/** One signed transaction for every kind of message. */
function messageCases(): Record<string, { messages: Message[]; signers: string[] }> {
  const one = (message: Message, ...signers: string[]) => ({ messages: [message], signers })
  return {
    'institution.register': one(make.institution('a'), 'governor'),
    'institution.suspend': one({ type: 'institution.suspend', instId: 'a', suspended: true }, 'governor'),
    'node.register': one(make.node('a'), 'inst a', 'node a'),
    'node.retire': one(
      { type: 'node.retire', nodeId: nodeIdOfKey(key('node a').publicKey), status: 'draining' },
      'node a',
    ),
    'guardian.register': one(make.guardian('a'), 'inst a', 'guardian a'),
    'guardian.retire': one({ type: 'guardian.retire', guardianId }, 'inst a'),
    'identity.register': one(ana.register, 'ana'),
    'identity.rotate': one(ana.rotate('next ana'), 'next ana'),
    'record.anchor': one(make.record('o', 'owner'), 'owner'),
    'record.remove': one({ type: 'record.remove', objectId }, 'owner'),
    'custody.record': one(make.custody('o', 'owner', ['a', 'b']), 'owner'),
    'custody.freeze': one({ type: 'custody.freeze', objectId, frozen: true }, 'owner'),
    'custody.destroy': one({ type: 'custody.destroy', objectId }, 'owner'),
    'grant.create': one(make.grant('g'), 'revoke g'),
    'grant.revoke': one(make.revoke('g'), 'revoke g'),
    'receipt.extend': one(
      { type: 'receipt.extend', guardianId, from: 2, hashes: seeded('hashes', 64), head: seeded('head') },
      'guardian a',
    ),
    'receipt.batch': one(
      { type: 'receipt.batch', guardianId, seq: 1, head: seeded('head'), count: 3 },
      'guardian a',
    ),
    'two messages, two signers': {
      messages: [make.grant('g'), make.revoke('g')],
      signers: ['revoke g', 'other'],
    },
  }
}

/** Content of test/vectors/transaction.json. */
export function transactionVectors() {
  const accept = Object.entries(messageCases()).map(([name, { messages, signers }]) => {
    const bytes = tx(name, messages, signers)
    return { name, hex: toHex(bytes), bodyHash: toHex(decodeTx(bytes).bodyHash), hash: toHex(txHash(bytes)) }
  })
  return { spec: 'docs/spec/transaction.md', accept, reject: rejectedTransactions() }
}

interface Parts {
  body: Uint8Array
  auths: { key: Uint8Array; sig: Uint8Array }[]
}

function rejectedTransactions(): { name: string; hex: string; signatureOnly?: true }[] {
  const good = decodeCbor(tx('two', [make.grant('g')], ['revoke g', 'other'])) as Parts
  const inner = decodeCbor(good.body) as Record<string, unknown> & { messages: Record<string, unknown>[] }
  const body = (change: object) => encodeCbor({ ...good, body: encodeCbor({ ...inner, ...change }) })
  const message = (change: object) => body({ messages: [{ ...inner.messages[0], ...change }] })
  const cases: Record<string, Uint8Array> = {
    'signers out of order': encodeCbor({ ...good, auths: [...good.auths].reverse() }),
    'a signer twice': encodeCbor({ ...good, auths: [good.auths[0], good.auths[0]] }),
    'no signer': encodeCbor({ ...good, auths: [] }),
    'a signature of 63 bytes': encodeCbor({
      ...good,
      auths: [{ ...good.auths[0], sig: new Uint8Array(63) }],
    }),
    'an unknown field in the envelope': encodeCbor({ ...good, extra: 1 }),
    'an unknown field in the body': body({ extra: 1 }),
    'a unique id of 15 bytes': body({ uniqueId: new Uint8Array(15) }),
    'valid until height 0': body({ validUntilHeight: 0 }),
    'a chain id of nothing': body({ chainId: '' }),
    'no message': body({ messages: [] }),
    'seventeen messages': body({ messages: Array(17).fill(inner.messages[0]) }),
    'an unknown message': message({ type: 'token.mint' }),
    'an unknown field in a message': message({ extra: 1 }),
    'a field of the wrong length in a message': message({ commitment: new Uint8Array(31) }),
    'a missing field in a message': body({ messages: [{ type: 'grant.revoke' }] }),
    'a byte behind the end': Uint8Array.from([...encodeCbor(good), 0]),
    'a body that is not CBOR': encodeCbor({ ...good, body: Uint8Array.of(0xff) }),
  }
  const rejected = Object.entries(cases).map(([name, bytes]) => ({ name, hex: toHex(bytes) }))
  const other = encodeCbor({ ...good, body: encodeCbor({ ...inner, validUntilHeight: 501 }) })
  return [
    ...rejected,
    { name: 'a body that was changed after signing', hex: toHex(other), signatureOnly: true as const },
  ]
}

/** Content of test/vectors/app-hash.json: a short life of a chain, block by block. */
export function appHashVectors() {
  const blocks = [
    [tx('1', [make.institution('a'), make.institution('b')], ['governor'])],
    [
      tx('2', [make.node('a'), make.node('b', 2 ** 32)], ['inst a', 'inst b', 'node a', 'node b']),
      tx('3', [make.guardian('a'), make.guardian('b')], ['inst a', 'inst b', 'guardian a', 'guardian b']),
    ],
    [tx('4', [ana.register], ['ana']), tx('5', [ana.rotate('next ana')], ['next ana'])],
    [],
    [
      tx('6', [make.record('o', 'owner'), make.custody('o', 'owner', ['a', 'b'])], ['owner']),
      tx('7', [make.record('o', 'thief')], ['thief']),
      tx('8', [make.grant('g')], ['revoke g'], { validUntilHeight: 6 }),
    ],
    [tx('9', [make.revoke('g')], ['revoke g']), tx('9', [make.revoke('g')], ['revoke g'])],
    [tx('10', [{ type: 'institution.suspend', instId: 'b', suspended: true }], ['governor'])],
    [
      tx(
        '11',
        [
          { type: 'custody.destroy', objectId },
          { type: 'record.remove', objectId },
        ],
        ['owner'],
      ),
    ],
  ]
  const chain = new TestChain()
  return {
    spec: 'docs/spec/state.md',
    rules: APP_VERSION,
    chainId: CHAIN_ID,
    appState: toHex(encodeAppState({ governors: [key('governor').publicKey], epochBlocksMin: 1 })),
    blocks: blocks.map((txs, at) => {
      const timeMs = chain.timeMs
      const results = chain.block(...txs)
      const hash = toHex(sha256(utf8(`block ${at + 1}`)))
      return { height: at + 1, timeMs, hash, txs: txs.map(toHex), results, appHash: toHex(chain.appHash) }
    }),
  }
}
