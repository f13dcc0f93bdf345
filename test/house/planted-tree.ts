import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Source files of a small house, by path below `src`; imports are written as `file` or `package`. */
export type Planted = Record<string, string[]>

const PACKAGES = [
  '@libp2p/tcp',
  '@multiformats/multiaddr',
  '@napi-rs/blake-hash',
  '@noble/curves',
  '@panva/hpke-noble',
  'better-sqlite3',
  'cborg',
  'commander',
  'datastore-core',
  'hpke',
  'interface-datastore',
  'libp2p',
  'multiformats',
  'shamir-secret-sharing',
  'uint8arraylist',
  'zod',
]

/**
 * Writes `files` below `root`, with empty stand-ins for the packages the real house uses. An import that starts with
 * `type ` becomes a type-only one.
 */
export function plantTree(root: string, files: Planted): void {
  for (const name of PACKAGES) {
    const folder = join(root, 'node_modules', name)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, version: '1.0.0', main: 'index.js' }))
    writeFileSync(join(folder, 'index.js'), 'exports.it = 1\n')
  }
  writeFileSync(join(root, 'package.json'), JSON.stringify({ name: 'planted', type: 'module' }))
  for (const [path, imports] of Object.entries(files)) {
    const file = join(root, 'src', path)
    mkdirSync(dirname(file), { recursive: true })
    const lines = imports.map((target, at) => importLine(target, at))
    const used = imports.map((target, at) => (target.startsWith('type ') ? '' : `it${at}`)).filter(Boolean)
    writeFileSync(file, `${lines.join('\n')}\nexport interface It { it: 1 }\nexport const it = [${used}]\n`)
  }
}

function importLine(target: string, at: number): string {
  if (!target.startsWith('type ')) return `import { it as it${at} } from '${target}'`
  return `import type { It as It${at} } from '${target.slice(5)}'\nexport type Uses${at} = It${at}`
}
