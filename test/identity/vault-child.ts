// Adds numbered records to a vault, as another process; prints the name of each that is durable. Arguments:
// folder, first, how many, [anew].
import { u32be } from '../../src/bytes.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import { openVault } from '../../src/identity/vault.ts'
import type { VaultObject } from '../../src/identity/vault-entry.ts'
import { openFolder } from '../../src/sdk/folder.ts'

export const VAULT_KEY: Uint8Array = new Uint8Array(32).fill(9)

export function numbered(number: number): VaultObject {
  const objectId = new Uint8Array(32)
  objectId.set(u32be(number))
  const common = { objectId, version: 1, custodyKey: new Uint8Array(32), mediaType: 'text/plain' }
  return { ...common, name: `record ${number}`, bytes: 1, createdMs: 1, kind: 'record' }
}

if (import.meta.filename === process.argv[1]) {
  const [path, first, count, anew] = process.argv.slice(2) as [string, string, string, string | undefined]
  const vault = await openVault(await openFolder(path), VAULT_KEY, systemRandom)
  for (let at = 0; at < Number(count); at++) {
    if (anew) await vault.merge([])
    else {
      await vault.add(numbered(Number(first) + at))
      process.stdout.write(`record ${Number(first) + at}\n`)
    }
  }
  await vault.close()
}
