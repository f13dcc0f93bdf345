#!/usr/bin/env node
// Compiles kernel/erasure.ts to WebAssembly, with relaxed and with strict vector instructions, and writes both into
// src/fragment/erasure/kernel-code.ts, so that nobody who runs the project needs the compiler. With --check it only compares.
import { readFileSync, writeFileSync } from 'node:fs'

const SOURCE = 'kernel/erasure.ts'
const SOURCES = [SOURCE, 'kernel/butterflies.ts', 'kernel/rows.ts']
const TARGET = 'src/fragment/erasure/kernel-code.ts'
const LINE = 108
/** Of 64 KiB, as src/fragment/erasure/kernel-memory.ts makes the memory. */
const PAGES = { first: '1', most: '16384' }

const root = new URL('../', import.meta.url)

/** @returns {Promise<Uint8Array>} the module, byte for byte the same on every machine. */
async function compile(asc, relaxed) {
  const options = [
    '-O3',
    '--converge',
    '--noAssert',
    '--runtime',
    'stub',
    '--enable',
    'simd',
    '--enable',
    'threads',
  ]
  const memory = [
    '--importMemory',
    '--sharedMemory',
    '--initialMemory',
    PAGES.first,
    '--maximumMemory',
    PAGES.most,
  ]
  if (relaxed) options.push('--enable', 'relaxed-simd')
  let code = null
  const { error, stderr } = await asc.main([SOURCE, '--outFile', 'kernel.wasm', ...memory, ...options], {
    readFile: (name) => (SOURCES.includes(name) ? readFileSync(new URL(name, root), 'utf8') : null),
    writeFile: (_, bytes) => {
      code = bytes
    },
    listFiles: () => [],
  })
  if (error || !code) throw new Error(`${SOURCE} does not compile\n${stderr}`)
  return code
}

/** @returns {Promise<string>} what belongs into src/fragment/erasure/kernel-code.ts. */
async function kernelModule() {
  const asc = await import('assemblyscript/asc')
  const constant = async (name, about, relaxed) => {
    const text = Buffer.from(await compile(asc, relaxed)).toString('base64')
    return `/** ${about} In base64. */\nexport const ${name} = \`\n${text.replace(new RegExp(`.{${LINE}}`, 'g'), '$&\n')}\n\`\n`
  }
  const head = `// Made from ${SOURCE} by bin/build-kernel.mjs; not to be edited.\n`
  const relaxed = await constant('RELAXED_CODE', 'The kernel with relaxed vector instructions.', true)
  const strict = await constant('STRICT_CODE', 'The kernel with strict vector instructions.', false)
  return [head, relaxed, strict].join('\n')
}

const target = new URL(TARGET, root)
const text = await kernelModule()
if (!process.argv.includes('--check')) writeFileSync(target, text)
else if (readFileSync(target, 'utf8') !== text) {
  process.stderr.write(`error: ${TARGET} is not what ${SOURCE} compiles to.\n  next: npm run kernel\n`)
  process.exitCode = 1
}
