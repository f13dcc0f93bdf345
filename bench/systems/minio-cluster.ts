import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Certified, selfSigned } from '../harness/certificate.ts'
import { freePorts } from './daemon.ts'
import { DRIVES, MinioSet } from './minio-set.ts'
import type { Bucket } from './s3.ts'
import { type StartOptions, type System, serve } from './serve.ts'

const KEY_BYTES = 32
const MARK_BYTES = 32
const PROBE_MARKS = 512

/**
 * Twelve servers with a folder each: TLS between them and to the client, every object encrypted by the server that takes
 * it. This process is an S3 client of the first.
 */
async function start(options: StartOptions): Promise<System> {
  const set = new MinioSet(options)
  const identity = selfSigned()
  const certs = join(options.scratch, 'certs')
  writeCertificates(certs, identity)
  const addresses = (await freePorts(DRIVES)).map((port) => `127.0.0.1:${port}`)
  const origins = addresses.map((address) => `https://${address}`)
  const folders = set.folders.map((folder, at) => `${origins[at]}${folder}`)
  const encryption = {
    MINIO_KMS_SECRET_KEY: `bench:${randomBytes(KEY_BYTES).toString('base64')}`,
    MINIO_KMS_AUTO_ENCRYPTION: 'on',
  }
  for (const address of addresses) {
    // In a container MinIO does not look for itself on loopback; elsewhere it does not read this.
    const env = { ...encryption, _MINIO_SERVER_LOCAL: address }
    set.start({ address, folders, args: ['--certs-dir', certs], env })
  }
  const bucket = await set.open(origins, identity.certificate)
  await checkShards(set, bucket)
  return set.asSystem(bucket)
}

/** As MinIO looks for them: its own certificate, its key, and whom it trusts. */
function writeCertificates(folder: string, { key, certificate }: Certified): void {
  mkdirSync(join(folder, 'CAs'), { recursive: true })
  writeFileSync(join(folder, 'private.key'), key, { mode: 0o600 })
  for (const name of ['public.crt', 'CAs/public.crt']) writeFileSync(join(folder, name), certificate)
}

/** Puts marked bytes until each folder has a shard of them. @throws Error when one of the shards shows the mark. */
async function checkShards(set: MinioSet, bucket: Bucket): Promise<void> {
  const mark = randomBytes(MARK_BYTES)
  const content = Buffer.concat(Array<Buffer>(PROBE_MARKS).fill(mark))
  let shards: Buffer[] = []
  await set.until(async () => {
    const path = await bucket.put('', content)
    shards = set.folders.map((folder) => readFileSync(join(folder, path, 'xl.meta')))
    return true
  })
  if (shards.some((shard) => shard.includes(mark))) throw new Error('MinIO did not encrypt what it stored')
}

serve(start)
