import { createHash, createHmac } from 'node:crypto'
import { type Call, fetchInto, fetchSmall, RECORDS_IN_FLIGHT } from './daemon.ts'
import { inFlight, type System } from './serve.ts'

const REGION = 'us-east-1'
const UNSIGNED = 'UNSIGNED-PAYLOAD'
const SIGNED_HEADERS = 'host;x-amz-content-sha256;x-amz-date'
const NUMBER_DIGITS = 6

/** A server that speaks S3, and who calls it. */
export interface S3Server {
  /** `http://host:port`, or `https://` with its `certificate`, PEM. */
  origin: string
  certificate?: string
  user: string
  password: string
}

/** One bucket on it. A token is the path of an object, or several with spaces between them. */
export type Bucket = Pick<System, 'put' | 'get' | 'putRecords' | 'getRecords'>

/** Creates the bucket `name`. @throws Error when the server refuses. */
export async function createBucket(server: S3Server, name: string): Promise<Bucket> {
  const call = (method: string, path: string, body?: Uint8Array[]): Call => ({
    method,
    url: `${server.origin}/${path}`,
    headers: signed(method, `/${path}`, server),
    body,
    certificate: server.certificate,
  })
  await fetchSmall(call('PUT', name))
  let made = 0
  const put = async (content: Uint8Array) => {
    const path = `${name}/${String(made++).padStart(NUMBER_DIGITS, '0')}`
    await fetchSmall(call('PUT', path, [content]))
    return path
  }
  return {
    put: (_, content) => put(content),
    get: (_, token, sink) => fetchInto(call('GET', token), sink),
    putRecords: async (_, records) => (await inFlight(records, RECORDS_IN_FLIGHT, put)).join(' '),
    getRecords: async (_, token, sink) => {
      const get = (path: string) => fetchSmall(call('GET', path))
      for (const record of await inFlight(token.split(' '), RECORDS_IN_FLIGHT, get)) sink.push(record)
    },
  }
}

/** AWS Signature Version 4 of a request without query. The body is not signed: what comes back is compared anyway. */
function signed(method: string, path: string, { origin, user, password }: S3Server): Record<string, string> {
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
  const scope = `${time.slice(0, 8)}/${REGION}/s3/aws4_request`
  const headers = `host:${new URL(origin).host}\nx-amz-content-sha256:${UNSIGNED}\nx-amz-date:${time}\n`
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
