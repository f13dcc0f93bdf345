import { fork } from 'node:child_process'
import { createCipheriv, createDecipheriv, createHash, createSecretKey, randomBytes } from 'node:crypto'
import { closeSync, fdatasyncSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { blake3 as blake3Noble } from '@noble/hashes/blake3.js'
import { blake3 } from '../../src/crypto/hash.ts'
import runtimeFlags from '../../src/sdk/roles/runtime-flags.json' with { type: 'json' }
import { cpuSecondsOf } from '../harness/processes.ts'
import { keep, measureFanOut } from './fan-out.ts'
import { measureWire, wireNamed } from './wire.ts'

const STEP_BYTES = 64 * 1024
const BLOCK_BYTES = 1 << 20
const COPY_BYTES = 64 << 20
const COPIES = 8

/** What one limit gave once. */
export interface LimitRun {
  bytes: number
  seconds: number
  cpuSeconds: number
  verified: boolean
}

type Limit = (bytes: number, scratch: string) => Promise<LimitRun> | LimitRun

const LIMITS: Record<string, Limit> = {
  copy: () => {
    const from = randomBytes(COPY_BYTES)
    const to = Buffer.alloc(COPY_BYTES, 1)
    const run = timed(COPIES * COPY_BYTES, () => {
      for (let at = 0; at < COPIES; at++) from.copy(to)
    })
    return { ...run, verified: from.equals(to) }
  },
  aead: (bytes) => {
    const key = createSecretKey(randomBytes(32))
    const text = randomBytes(STEP_BYTES)
    const seal = (at: number) => {
      const cipher = createCipheriv('aes-256-gcm', key, nonceOf(at))
      const sealed = cipher.update(text)
      cipher.final()
      return { sealed, tag: cipher.getAuthTag() }
    }
    for (let at = 0; at < 200; at++) seal(at)
    let last = seal(0)
    const steps = bytes / STEP_BYTES
    const run = timed(bytes, () => {
      for (let at = 0; at < steps; at++) last = seal(at)
    })
    const opener = createDecipheriv('aes-256-gcm', key, nonceOf(steps - 1)).setAuthTag(last.tag)
    return { ...run, verified: Buffer.concat([opener.update(last.sealed), opener.final()]).equals(text) }
  },
  blake3: (bytes) => {
    const text = new Uint8Array(randomBytes(STEP_BYTES))
    for (let at = 0; at < 200; at++) blake3(text)
    let digest = blake3(text)
    const run = timed(bytes, () => {
      for (let at = 0; at < bytes / STEP_BYTES; at++) digest = blake3(text)
    })
    return { ...run, verified: Buffer.from(digest).equals(blake3Noble(text)) }
  },
  disk: (bytes, scratch) => {
    const path = join(scratch, 'limit-disk')
    const block = randomBytes(BLOCK_BYTES)
    const file = openSync(path, 'w')
    const run = timed(bytes, () => {
      for (let at = 0; at < bytes; at += BLOCK_BYTES) writeSync(file, block)
      fdatasyncSync(file)
    })
    closeSync(file)
    const expected = createHash('sha256')
    for (let at = 0; at < bytes; at += BLOCK_BYTES) expected.update(block)
    const verified = createHash('sha256').update(readFileSync(path)).digest().equals(expected.digest())
    rmSync(path)
    return { ...run, verified }
  },
  tcp: (bytes) => wire('tcp', bytes),
  tls: (bytes) => wire('tls', bytes),
  wire: (bytes) => wire('xcare', bytes),
  'fan-out': measureFanOut,
}

function nonceOf(at: number): Buffer {
  const nonce = Buffer.alloc(12)
  nonce.writeUInt32BE(at)
  return nonce
}

function timed(bytes: number, work: () => void): Omit<LimitRun, 'verified'> {
  const before = process.cpuUsage()
  const start = performance.now()
  work()
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(before)
  return { bytes, seconds, cpuSeconds: (user + system) / 1e6 }
}

/** From this process to a second one, both on loopback. */
async function wire(name: string, bytes: number): Promise<LimitRun> {
  const receiver = fork(import.meta.filename, ['receive', name], {
    execArgv: name === 'xcare' ? runtimeFlags.role : [],
  })
  try {
    const cpu = () => cpuSecondsOf([process.pid])
    return await measureWire(wireNamed(name), receiver, bytes, cpu)
  } finally {
    receiver.kill()
  }
}

const [name = '', ...rest] = process.argv.slice(2)
if (name === 'receive') await wireNamed(rest[0]!).receive()
else if (name === 'keep') await keep(rest[0]!)
else {
  const [bytes, scratch] = rest
  const run = await LIMITS[name]!(Number(bytes), scratch!)
  process.stdout.write(`${JSON.stringify(run)}\n`)
  process.exit(0)
}
