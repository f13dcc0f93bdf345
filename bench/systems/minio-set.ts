import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { type Daemon, fetchSmall, runCommand, startDaemon, untilReady } from './daemon.ts'
import { type Bucket, createBucket, type S3Server } from './s3.ts'
import type { StartOptions, System } from './serve.ts'

const BUCKET = 'bench'

/** How many folders an object is coded over, in every MinIO system. */
export const DRIVES = 12

/** One server process: where it listens, the folders of the whole set, and what else it is told. */
export interface MinioServer {
  /** `host:port` */
  address: string
  folders: string[]
  args?: string[]
  env?: Record<string, string>
}

/** One erasure set of MinIO over twelve folders, in one server process or more. A variant is a shape `k/12`. */
export class MinioSet {
  /** Where the shards lie. */
  readonly folders: string[]
  readonly #program: string
  readonly #scratch: string
  readonly #parity: number
  readonly #account = { user: 'bench', password: randomBytes(16).toString('hex') }
  readonly #daemons: Daemon[] = []

  constructor({ scratch, tools, variants: [variant = ''] }: StartOptions) {
    this.#program = join(tools, 'minio')
    this.#scratch = scratch
    this.#parity = DRIVES - Number(variant.split('/')[0])
    this.folders = Array.from({ length: DRIVES }, (_, at) => join(scratch, `drive-${at}`))
  }

  /** Starts a server of the set. It is not ready yet. */
  start({ address, folders, args = [], env = {} }: MinioServer): void {
    const common = {
      MINIO_ROOT_USER: this.#account.user,
      MINIO_ROOT_PASSWORD: this.#account.password,
      MINIO_STORAGE_CLASS_STANDARD: `EC:${this.#parity}`,
      // Lets the folders lie on one disk.
      MINIO_CI_CD: 'on',
      MINIO_UPDATE: 'off',
      MINIO_BROWSER: 'off',
    }
    const log = join(this.#scratch, `daemon-${this.#daemons.length}.log`)
    const all = ['server', '--quiet', '--address', address, ...args, ...folders]
    this.#daemons.push(startDaemon(this.#program, all, { log, env: { ...common, ...env } }))
  }

  /** Waits until `check` is true; what it throws means not yet. @throws Error when a server has ended, or after two minutes. */
  async until(check: () => Promise<boolean>): Promise<void> {
    await untilReady('MinIO', this.#daemons, check)
  }

  /** Waits for all `origins` and creates a bucket by the first of them. */
  async open(origins: string[], certificate?: string): Promise<Bucket> {
    for (const origin of origins)
      await this.until(async () => {
        await fetchSmall({ method: 'GET', url: `${origin}/minio/health/cluster`, certificate })
        return true
      })
    const server: S3Server = { origin: origins[0]!, certificate, ...this.#account }
    return createBucket(server, BUCKET)
  }

  /** @returns the set as the harness sees it, with `bucket` as its store. */
  async asSystem(bucket: Bucket): Promise<System> {
    return {
      ...bucket,
      version: versionOf(await runCommand(this.#program, ['--version'])),
      detached: [],
      stop: async () => {
        await Promise.all(this.#daemons.map((daemon) => daemon.stop()))
      },
    }
  }
}

/** A build from a module does not know its release; the module's own date says it. */
function versionOf(text: string): string {
  const [, version = ''] = /version (\S+)/.exec(text) ?? []
  return version.startsWith('DEVELOPMENT') ? '2026-02-12 (module)' : version
}
