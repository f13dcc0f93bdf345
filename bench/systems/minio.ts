import { freePort } from './daemon.ts'
import { MinioSet } from './minio-set.ts'
import { type StartOptions, type System, serve } from './serve.ts'

/** One server that codes over twelve folders of its own, with no TLS and no encryption: the fastest a MinIO gets here. */
async function start(options: StartOptions): Promise<System> {
  const set = new MinioSet(options)
  const address = `127.0.0.1:${await freePort()}`
  set.start({ address, folders: set.folders })
  return set.asSystem(await set.open([`http://${address}`]))
}

serve(start)
