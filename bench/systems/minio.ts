import { createHash, createHmac, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import {
  type Call,
  fetchInto,
  fetchSmall,
  freePort,
  RECORDS_IN_FLIGHT,
  runCommand,
  startDaemon,
  untilReady,
} from './daemon.ts'
import { inFlight, type StartOptions, type System, serve } from './serve.ts'

const DRIVES = 12
const REGION = 'us-east-1'
const BUCKET = 'bench'
const UNSIGNED = 'UNSIGNED-PAYLOAD'
const SIGNED_HEADERS = 'host;x-amz-content-sha256;x-amz-date'
const NUMBER_DIGITS = 6

/** One MinIO server that codes over twelve folders. A variant is a shape `k/12`. This process is an S3 client. */
async function start({ scratch, tools, variants }: StartOptions): Promise<System> {
  const [variant = ''] = variants
  const parity = DRIVES - Number(variant.split('/')[0])
  const address = `127.0.0.1:${await freePort()}`
  const secret = { user: 'bench', password: randomBytes(16).toString('hex') }
  const minio = join(tools, 'minio')
  const folders = Array.from({ length: DRIVES }, (_, at) => join(scratch, `drive-${at}`))
  const env = {
    MINIO_ROOT_USER: secret.user,
    MINIO_ROOT_PASSWORD: secret.password,
    MINIO_STORAGE_CLASS_STANDARD: `EC:${parity}`,
    // Lets the folders lie on one disk.
    MINIO_CI_CD: 'on',
    MINIO_UPDATE: 'off',
    MINIO_BROWSER: 'off',
  }
  const daemon = startDaemon(minio, ['server', '--quiet', '--address', address, ...folders], {
    log: join(scratch, 'daemon.log'),
    env,
  })
  const call = (method: string, path: string, body?: Uint8Array[]): Call => ({
    method,
    url: `http://${address}/${path}`,
    headers: signed(method, address, `/${path}`, secret),
    body,
  })
  await untilReady('MinIO', [daemon], async () => {
    await fetchSmall({ method: 'GET', url: `http://${address}/minio/health/cluster` })
    return true
  })
  await fetchSmall(call('PUT', BUCKET))
  let made = 0
  const put = async (content: Uint8Array) => {
    const path = `${BUCKET}/${String(made++).padStart(NUMBER_DIGITS, '0')}`
    await fetchSmall(call('PUT', path, [content]))
    return path
  }
  return {
    version: versionOf(await runCommand(minio, ['--version'])),
    detached: [],
    put: (_, content) => put(content),
    get: (_, token, sink) => fetchInto(call('GET', token), sink),
    putRecords: async (_, records) => (await inFlight(records, RECORDS_IN_FLIGHT, put)).join(' '),
    getRecords: async (_, token, sink) => {
      const get = (path: string) => fetchSmall(call('GET', path))
      for (const record of await inFlight(token.split(' '), RECORDS_IN_FLIGHT, get)) sink.push(record)
    },
    stop: () => daemon.stop(),
  }
}

/** A build from a module does not know its release; the module's own date says it. */
function versionOf(text: string): string {
  const [, version = ''] = /version (\S+)/.exec(text) ?? []
  return version.startsWith('DEVELOPMENT') ? '2026-02-12 (module)' : version
}

/** AWS Signature Version 4 of a request without query; the body is not signed, as over TLS. */
function signed(
  method: string,
  host: string,
  path: string,
  { user, password }: { user: string; password: string },
): Record<string, string> {
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
  const scope = `${time.slice(0, 8)}/${REGION}/s3/aws4_request`
  const headers = `host:${host}\nx-amz-content-sha256:${UNSIGNED}\nx-amz-date:${time}\n`
  const canonical = [method, path, '', headers, SIGNED_HEADERS, UNSIGNED].join('\n')
  const digest = createHash('sha256').update(canonical).digest('hex')
  const key = scope
    .split('/')
    .reduce<string | Buffer>(
      (last, part) => createHmac('sha256', last).update(part).digest(),
      `AWS4${password}`,
    )
  const signature = createHmac('sha256', key)
    .update(['AWS4-HMAC-SHA256', time, scope, digest].join('\n'))
    .digest('hex')
  return {
    'x-amz-content-sha256': UNSIGNED,
    'x-amz-date': time,
    authorization: `AWS4-HMAC-SHA256 Credential=${user}/${scope}, SignedHeaders=${SIGNED_HEADERS}, Signature=${signature}`,
  }
}

serve(start)
