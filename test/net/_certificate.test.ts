import { createPrivateKey, generateKeyPairSync, sign, X509Certificate } from 'node:crypto'
import { generateKeyPair, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { describe, expect, test } from 'vitest'
import { concat, fromHex, utf8 } from '../../src/bytes.ts'
import { createTlsIdentity, peerOfCertificate } from '../../src/net/tls/_certificate.ts'
import { der, TAG } from '../../src/net/tls/_der.ts'

const LIBP2P = fromHex('2b0601040183a25a0101')
const OTHER = fromHex('2b0601040183a25a0102')
const NOW = Date.UTC(2026, 5, 1)
const CRITICAL = der(TAG.boolean, Uint8Array.of(0xff))

interface Parts {
  identity: PrivateKey
  from: string
  to: string
  extensions: (spki: Uint8Array, proof: Uint8Array) => Uint8Array[]
  signedBy?: string
}

const extension = (id: Uint8Array, value: Uint8Array, critical = true) =>
  der(TAG.sequence, der(TAG.oid, id), ...(critical ? [CRITICAL] : []), der(TAG.octetString, value))

const identityValue = (identity: PrivateKey, proof: Uint8Array, ...more: Uint8Array[]) =>
  der(
    TAG.sequence,
    der(TAG.octetString, publicKeyToProtobuf(identity.publicKey)),
    der(TAG.octetString, proof),
    ...more,
  )

/** Builds certificates, good and bad ones. */
async function certificate(
  changes: Partial<Parts> = {},
): Promise<{ cert: X509Certificate; identity: PrivateKey }> {
  const identity = changes.identity ?? (await generateKeyPair('Ed25519'))
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const spki = new Uint8Array(keys.publicKey.export({ type: 'spki', format: 'der' }))
  const proof = await identity.sign(concat(utf8('libp2p-tls-handshake:'), spki))
  const extensions = changes.extensions ?? ((_, good) => [extension(LIBP2P, identityValue(identity, good))])
  const algorithm = der(TAG.sequence, der(TAG.oid, fromHex('2a8648ce3d040302')))
  const body = der(
    TAG.sequence,
    der(TAG.version, der(TAG.integer, Uint8Array.of(2))),
    der(TAG.integer, Uint8Array.of(1)),
    algorithm,
    der(TAG.sequence),
    der(
      TAG.sequence,
      der(TAG.utcTime, utf8(changes.from ?? '260101000000Z')),
      der(TAG.utcTime, utf8(changes.to ?? '300101000000Z')),
    ),
    der(TAG.sequence),
    spki,
    der(TAG.extensions, der(TAG.sequence, ...extensions(spki, proof))),
  )
  const signer = changes.signedBy ? createPrivateKey(changes.signedBy) : keys.privateKey
  const signature = der(TAG.bitString, Uint8Array.of(0), new Uint8Array(sign('sha256', body, signer)))
  return { cert: new X509Certificate(der(TAG.sequence, body, algorithm, signature)), identity }
}

const reject = async (changes: Partial<Parts>, code: string, nowMs = NOW) =>
  expect(peerOfCertificate((await certificate(changes)).cert, nowMs)).rejects.toMatchObject({ code })

describe('the certificate of a peer', () => {
  test('proves the identity that made it', async () => {
    const identity = await generateKeyPair('Ed25519')
    const { cert } = await createTlsIdentity(identity)
    const peer = await peerOfCertificate(new X509Certificate(cert), Date.now())
    expect(peer.publicKey?.equals(identity.publicKey)).toBe(true)
    const built = await certificate()
    expect((await peerOfCertificate(built.cert, NOW)).publicKey?.equals(built.identity.publicKey)).toBe(true)
  })

  test('is needed', async () => {
    await expect(peerOfCertificate(undefined, NOW)).rejects.toMatchObject({ code: 'INTEGRITY' })
  })

  test('holds for its time only', async () => {
    await reject({}, 'INTEGRITY', Date.UTC(2025, 0, 1))
    await reject({}, 'INTEGRITY', Date.UTC(2031, 0, 1))
  })

  test('must be signed by its own key', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    await reject({ signedBy: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }, 'INTEGRITY')
  })

  test('must carry one identity, with its own proof and nothing else', async () => {
    const [mine, other] = [await generateKeyPair('Ed25519'), await generateKeyPair('Ed25519')]
    await reject({ extensions: () => [extension(OTHER, new Uint8Array(3), false)] }, 'MALFORMED')
    await reject({ extensions: (_, proof) => [extension(LIBP2P, identityValue(other, proof))] }, 'INTEGRITY')
    await reject(
      { extensions: () => [extension(LIBP2P, identityValue(mine, new Uint8Array(64)))] },
      'INTEGRITY',
    )
    const twice = (_: Uint8Array, proof: Uint8Array) => {
      const one = extension(LIBP2P, identityValue(mine, proof))
      return [one, one]
    }
    await reject({ identity: mine, extensions: twice }, 'MALFORMED')
    const longer = (_: Uint8Array, proof: Uint8Array) => [
      extension(LIBP2P, identityValue(mine, proof, der(TAG.integer, Uint8Array.of(1)))),
    ]
    await reject({ identity: mine, extensions: longer }, 'MALFORMED')
    const torn = (_: Uint8Array, proof: Uint8Array) => [
      extension(LIBP2P, identityValue(mine, proof).subarray(0, 50)),
    ]
    await reject({ identity: mine, extensions: torn }, 'MALFORMED')
  })

  test('may hold other extensions unless they are critical', async () => {
    const identity = await generateKeyPair('Ed25519')
    const withOther = (critical: boolean) => (_: Uint8Array, proof: Uint8Array) => [
      extension(OTHER, new Uint8Array(3), critical),
      extension(LIBP2P, identityValue(identity, proof), false),
    ]
    const fine = await certificate({ identity, extensions: withOther(false) })
    await expect(peerOfCertificate(fine.cert, NOW)).resolves.toBeDefined()
    await reject({ identity, extensions: withOther(true) }, 'MALFORMED')
  })

  test('must be small', async () => {
    const identity = await generateKeyPair('Ed25519')
    const large = (_: Uint8Array, proof: Uint8Array) => [
      extension(LIBP2P, identityValue(identity, proof)),
      extension(OTHER, new Uint8Array(5000), false),
    ]
    await reject({ identity, extensions: large }, 'MALFORMED')
  })

  test('must name an Ed25519 identity', async () => {
    await reject({ identity: await generateKeyPair('secp256k1') }, 'INTEGRITY')
  })
})
