import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { NOTICE_TOPIC, sealNotice } from '../custody/notice.ts'
import type { ReleaseLimits } from '../custody/release/checks.ts'
import { asXcareError } from '../errors.ts'
import {
  RELEASES_GRANTEE_HOUR_MAX,
  RELEASES_GRANTEE_MINUTE_MAX,
  RELEASES_GUARDIAN_MINUTE_MAX,
} from '../limits.ts'
import type { Broadcast, Clock, FrameStream, Ledger, Random } from '../ports.ts'
import type { GuardianKeys } from './keys.ts'
import { type GuardianEvent, type GuardianParts, UsedNonces } from './parts.ts'
import { ReceiptAnchor } from './receipt-anchor.ts'
import { ReleaseShares } from './release-shares.ts'
import { custodyHandler } from './serve.ts'
import { ShareSweep } from './share-sweep.ts'
import { GuardianStore } from './store.ts'

const DATA_FOLDER = 'data'
const DATABASE_FILE = 'guardian.sqlite'

const DEFAULT_LIMITS: ReleaseLimits = {
  granteeHour: RELEASES_GRANTEE_HOUR_MAX,
  granteeMinute: RELEASES_GRANTEE_MINUTE_MAX,
  guardianMinute: RELEASES_GUARDIAN_MINUTE_MAX,
}

/** What a guardian is made of, its network aside. */
export interface GuardianOptions {
  /** Folder of this guardian; its database goes to `data/`. */
  dir: string
  /** Chain id. */
  network: string
  keys: GuardianKeys
  ledger: Ledger
  /** Where notices go, or null for none. */
  broadcast: Broadcast | null
  clock: Clock
  random: Random
  limits?: Partial<ReleaseLimits>
  log?: (event: GuardianEvent) => void
}

/** A guardian that serves whatever streams it is given. */
export interface Guardian {
  readonly guardianId: string
  /** Serves one stream of CUSTODY_PROTOCOL until the asker ends. */
  serve(stream: FrameStream): Promise<void>
  /** Ends after the work under way. */
  stop(): Promise<void>
}

/** Opens a guardian over its ports. @throws XcareError INTEGRITY when the folder belongs to another guardian. */
export function openGuardian(options: GuardianOptions): Guardian {
  const { keys, network, ledger, clock, random, broadcast, log = () => {} } = options
  const data = join(options.dir, DATA_FOLDER)
  mkdirSync(data, { recursive: true, mode: 0o700 })
  const own = { guardianId: keys.guardianId, network }
  const store = new GuardianStore(join(data, DATABASE_FILE), { ...own, storeKey: keys.storeKey, random })
  const anchor = new ReceiptAnchor({ network, keys, store, ledger, clock, random, log })
  const sending = new Set<Promise<void>>()
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const parts: GuardianParts = {
    ...{ network, keys, store, ledger, clock, random, log, limits },
    shares: new ReleaseShares(limits.guardianMinute),
    questions: new UsedNonces(),
    released(receipt, objectId) {
      anchor.poke()
      if (!broadcast) return
      const sent = publishNotice(parts, broadcast, receipt, objectId).finally(() => sending.delete(sent))
      sending.add(sent)
    },
  }
  anchor.start()
  const sweep = new ShareSweep(parts)
  sweep.start()
  return {
    guardianId: keys.guardianId,
    serve: custodyHandler(parts),
    async stop() {
      await Promise.all([anchor.stop(), sweep.stop()])
      await Promise.allSettled(sending)
      store.close()
    },
  }
}

/** The receipt waits at the guardian anyway: a notice that does not get out is only late. */
async function publishNotice(
  parts: GuardianParts,
  broadcast: Broadcast,
  receipt: Uint8Array,
  objectId: Uint8Array,
): Promise<void> {
  try {
    const row = parts.store.share(objectId)
    if (!row?.noticeKey || !row.noticeTag) return
    const to = { noticeKey: row.noticeKey, noticeTag: row.noticeTag }
    const from = { network: parts.network, guardianId: parts.keys.guardianId }
    const nonce = parts.random.bytes(16)
    const nowMs = parts.clock.nowMs()
    await broadcast.publish(
      NOTICE_TOPIC,
      await sealNotice(parts.keys.signing, from, to, receipt, nonce, nowMs),
    )
  } catch (error) {
    parts.log({ type: 'failed', what: 'notice', code: asXcareError(error).code })
  }
}
