import type { TLSSocket } from 'node:tls'
import { publicKeyFromProtobuf, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import type { PeerId, PrivateKey } from '@libp2p/interface'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { concat, equalBytes, fromHex, utf8 } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import { CERTIFICATE_BYTES_MAX } from '../../limits.ts'
import { type DerElement, der, derChildren, derContent, readDer, TAG } from './_der.ts'

const DAY_MS = 24 * 3600 * 1000
/** Clocks may differ: the certificate is valid long before now, so that a wrong clock is reported by those whom it concerns. */
const VALID_BEFORE_MS = 30 * DAY_MS
const VALID_AFTER_MS = 10 * 365 * DAY_MS
const SIGNED_PREFIX = utf8('libp2p-tls-handshake:')
// Object identifiers, DER content: libp2p extension 1.3.6.1.4.1.53594.1.1, ecdsa-with-SHA256, and those a TLS stack itself handles.
const LIBP2P_EXTENSION = fromHex('2b0601040183a25a0101')
const ECDSA_SHA256 = fromHex('2a8648ce3d040302')
const KEY_USAGE = [
  fromHex('551d0f'),
  fromHex('551d25'),
  fromHex('551d13'),
  fromHex('551d11'),
  fromHex('551d0e'),
]

/** A TLS key and the self-signed certificate that binds it to the peer's identity, both PEM. */
export interface TlsIdentity {
  key: string
  cert: string
}

/** What a TLS connection tells of the remote's certificate; undefined when there was none. */
export type PeerCertificate = ReturnType<TLSSocket['getPeerX509Certificate']>

/** @returns a fresh P-256 key, certified by `identity`. Source: libp2p TLS specification, section "Peer authentication". */
export async function createTlsIdentity(identity: PrivateKey): Promise<TlsIdentity> {
  const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
    'sign',
    'verify',
  ])
  const spki = new Uint8Array(await crypto.subtle.exportKey('spki', keys.publicKey))
  const pkcs8 = new Uint8Array(await crypto.subtle.exportKey('pkcs8', keys.privateKey))
  const proof = await identity.sign(concat(SIGNED_PREFIX, spki))
  const signedKey = der(
    TAG.sequence,
    der(TAG.octetString, publicKeyToProtobuf(identity.publicKey)),
    der(TAG.octetString, proof),
  )
  const body = certificateBody(spki, signedKey)
  const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, keys.privateKey, body)
  const certificate = der(
    TAG.sequence,
    body,
    algorithm(),
    bitString(ecdsaSignature(new Uint8Array(signature))),
  )
  return { key: pem('PRIVATE KEY', pkcs8), cert: pem('CERTIFICATE', certificate) }
}

/**
 * Checks the certificate a remote presented in a TLS handshake, which has proven that the remote holds its key.
 * @returns the identity it proves. @throws XcareError MALFORMED, INTEGRITY. Must-reject list: docs/spec/transport.md section 2.
 */
export async function peerOfCertificate(certificate: PeerCertificate, nowMs: number): Promise<PeerId> {
  if (!certificate) throw new XcareError('INTEGRITY', 'the remote presented no certificate')
  const raw = new Uint8Array(certificate.raw)
  if (raw.length > CERTIFICATE_BYTES_MAX)
    throw new XcareError('MALFORMED', `a certificate of ${raw.length} bytes is too large`)
  if (nowMs < Date.parse(certificate.validFrom) || nowMs > Date.parse(certificate.validTo))
    throw new XcareError('INTEGRITY', 'the certificate of the remote is not valid now', {
      next: 'check the clocks of both machines',
    })
  if (!certificate.verify(certificate.publicKey))
    throw new XcareError('INTEGRITY', 'the certificate of the remote is not signed by its own key')
  const { spki, extension } = readCertificate(raw)
  const [key, proof, ...rest] = derChildren(readOne(extension), TAG.sequence)
  if (rest.length > 0) throw new XcareError('MALFORMED', 'the identity in the certificate has extra fields')
  const publicKey = publicKeyFromProtobuf(derContent(key, TAG.octetString))
  if (publicKey.type !== 'Ed25519')
    throw new XcareError('INTEGRITY', 'the remote does not have an Ed25519 identity')
  if (!(await publicKey.verify(concat(SIGNED_PREFIX, spki), derContent(proof, TAG.octetString))))
    throw new XcareError('INTEGRITY', 'the certificate of the remote does not belong to its identity')
  return peerIdFromPublicKey(publicKey)
}

function certificateBody(spki: Uint8Array, signedKey: Uint8Array): Uint8Array<ArrayBuffer> {
  const now = Date.now()
  const extension = der(
    TAG.sequence,
    der(TAG.oid, LIBP2P_EXTENSION),
    der(TAG.boolean, Uint8Array.of(0xff)),
    der(TAG.octetString, signedKey),
  )
  return der(
    TAG.sequence,
    der(TAG.version, der(TAG.integer, Uint8Array.of(2))),
    der(TAG.integer, serialNumber()),
    algorithm(),
    der(TAG.sequence),
    der(TAG.sequence, derTime(now - VALID_BEFORE_MS), derTime(now + VALID_AFTER_MS)),
    der(TAG.sequence),
    spki,
    der(TAG.extensions, der(TAG.sequence, extension)),
  )
}

function serialNumber(): Uint8Array {
  const serial = crypto.getRandomValues(new Uint8Array(16))
  // Positive and without a leading zero byte, as DER wants it.
  serial[0] = (serial[0]! & 0x3f) | 0x40
  return serial
}

function algorithm(): Uint8Array {
  return der(TAG.sequence, der(TAG.oid, ECDSA_SHA256))
}

function bitString(bytes: Uint8Array): Uint8Array {
  return der(TAG.bitString, Uint8Array.of(0), bytes)
}

/** RFC 5280 4.1.2.5: two-digit years until 2049. */
function derTime(timeMs: number): Uint8Array {
  const text = new Date(timeMs).toISOString().replace(/[-:T]|\.\d+/g, '')
  return Number(text.slice(0, 4)) < 2050
    ? der(TAG.utcTime, utf8(text.slice(2)))
    : der(TAG.generalizedTime, utf8(text))
}

/** WebCrypto gives r and s side by side, X.509 wants two integers. */
function ecdsaSignature(signature: Uint8Array): Uint8Array {
  const half = signature.length / 2
  return der(TAG.sequence, derInteger(signature.subarray(0, half)), derInteger(signature.subarray(half)))
}

function derInteger(bytes: Uint8Array): Uint8Array {
  let at = 0
  while (at < bytes.length - 1 && bytes[at] === 0) at++
  const positive = bytes[at]! >= 0x80 ? [Uint8Array.of(0)] : []
  return der(TAG.integer, ...positive, bytes.subarray(at))
}

function readOne(bytes: Uint8Array): DerElement | undefined {
  const elements = readDer(bytes)
  if (elements.length !== 1)
    throw new XcareError('MALFORMED', 'the certificate of the remote is not valid DER')
  return elements[0]
}

/** @returns the public key and the libp2p extension of a certificate, as DER. */
function readCertificate(raw: Uint8Array): { spki: Uint8Array; extension: Uint8Array } {
  const [body] = derChildren(readOne(raw), TAG.sequence)
  const fields = derChildren(body, TAG.sequence)
  const spki = fields[6]?.whole
  const list = fields.find((field) => field.tag === TAG.extensions)
  if (!spki || !list) throw new XcareError('MALFORMED', 'the certificate of the remote has no identity')
  let extension: Uint8Array | null = null
  for (const entry of derChildren(readOne(list.content), TAG.sequence)) {
    const parts = derChildren(entry, TAG.sequence)
    const id = derContent(parts[0], TAG.oid)
    if (equalBytes(id, LIBP2P_EXTENSION)) {
      if (extension) throw new XcareError('MALFORMED', 'the certificate of the remote has two identities')
      extension = derContent(parts.at(-1), TAG.octetString)
    } else if (parts[1]?.tag === TAG.boolean && !KEY_USAGE.some((known) => equalBytes(known, id)))
      throw new XcareError('MALFORMED', 'the certificate of the remote has an unknown critical extension')
  }
  if (!extension) throw new XcareError('MALFORMED', 'the certificate of the remote has no identity')
  return { spki, extension }
}

function pem(label: string, bytes: Uint8Array): string {
  const lines = btoa(String.fromCharCode(...bytes)).match(/.{1,64}/g)!
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
