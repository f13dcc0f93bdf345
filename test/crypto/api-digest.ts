import { native } from '#native'
import { toHex } from '../../src/bytes.ts'
import { aead } from '../../src/crypto/aead.ts'
import { leafProof } from '../../src/crypto/blake3-tree.ts'
import { CobblestoneSealer } from '../../src/crypto/cobblestone.ts'
import { kemKeyFromSeed } from '../../src/crypto/envelope.ts'
import { blake3, hmacSha512, sha256, sha512 } from '../../src/crypto/hash.ts'
import { deriveKey } from '../../src/crypto/kdf.ts'
import { merkleProof, merkleRoot } from '../../src/crypto/merkle.ts'
import { stretchPassphrase } from '../../src/crypto/password.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import { sealSmall } from '../../src/crypto/secretbox.ts'
import { combineShares, splitInOrder, splitSecret } from '../../src/crypto/shamir.ts'
import { signingKeyFromSeed, verifySignature, verifyZip215 } from '../../src/crypto/sign.ts'
import frozen from '../vectors/envelope.json' with { type: 'json' }

const fromHex = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'))

/** @returns what every function of the room says about fixed inputs, and the name of the platform that said it. */
export async function apiDigest(): Promise<{ platform: string; answers: Record<string, string> }> {
  const data = Uint8Array.from({ length: 5000 }, (_, at) => at * 7)
  const [secret, nonce12, nonce24, salt] = [
    data.slice(0, 32),
    data.slice(0, 12),
    data.slice(0, 24),
    data.slice(0, 16),
  ]
  const signer = signingKeyFromSeed(secret)
  const signature = signer.sign('xcare/grant/v1', data)
  const sealer = new CobblestoneSealer(secret, nonce24, data)
  const [envelope] = frozen.accept
  const kem = await kemKeyFromSeed(fromHex(envelope!.seed))
  const cost = { memoryKiB: 64, passes: 2 }
  const shares = await splitSecret(secret, 5, 3)
  const answers: Record<string, Uint8Array | boolean> = {
    sha256: sha256(data, salt),
    sha512: sha512(data, salt),
    hmac: hmacSha512(salt, data, salt),
    blake3: blake3(data),
    derived: deriveKey(secret, 'xcare/example/v1', salt),
    sealed: aead().seal(secret, nonce12, data),
    body: sealer.seal(data, true),
    commitment: sealer.commitment,
    small: sealSmall(secret, nonce24, data, salt),
    stretched: await stretchPassphrase('Über', salt, cost),
    merkle: sha256(merkleRoot([data, salt, secret]), ...merkleProof([data, salt, secret], 1)),
    leaf: leafProof(data, 1, 2),
    publicKey: signer.publicKey,
    signature,
    verified: verifySignature(signer.publicKey, 'xcare/grant/v1', data, signature),
    refused: verifySignature(signer.publicKey, 'xcare/grant/v2', data, signature),
    consensus: verifyZip215(signer.publicKey, data, signer.signRaw(data)),
    opened: await kem.open(fromHex(envelope!.envelope), envelope!.info, fromHex(envelope!.aad)),
    ordered: sha256(...splitInOrder(secret, 4, 2, { bytes: (length) => data.slice(0, length) })),
    combined: await combineShares(shares, 3, () => true),
    random: systemRandom.bytes(70_000).length === 70_000,
  }
  const written = Object.entries(answers).map(([name, answer]) => [
    name,
    typeof answer === 'boolean' ? String(answer) : toHex(answer),
  ])
  return { platform: native.name, answers: Object.fromEntries(written) }
}
