import { equalBytes } from '../../bytes.ts'
import { decodeCbor, encodeCbor } from '../../cbor.ts'
import { custodyKey, receiptKey } from '../../chain-anchor/app/keys.ts'
import {
  type CustodyValue,
  custodyValue,
  type GuardianValue,
  receiptHeadValue,
} from '../../chain-anchor/app/values.ts'
import { isNoticeFor, readNotice } from '../../custody/notice.ts'
import {
  type ChainPoint,
  firstLink,
  followChain,
  questionFormat,
  type SignedReceipt,
} from '../../custody/release/receipt.ts'
import { XcareError } from '../../errors.ts'
import { noticeTagOf, ownerKeyOf } from '../../identity/keypair.ts'
import type { Vault } from '../../identity/vault.ts'
import {
  HEADER_AGE_MS_MAX,
  NOTICES_MS_MAX,
  RECEIPT_ANCHOR_MAX_MS,
  RECEIPT_OBJECTS_MAX,
  RELEASES_GUARDIAN_MINUTE_MAX,
} from '../../limits.ts'
import type { Clock, Ledger, Random, Transport } from '../../ports.ts'
import { askGuardian, type GuardianProblem, problemOf, readGuardian } from './ask-guardian.ts'
import { NoticeKeeper } from './notice-keeper.ts'
import { type NoticeText, noticeTexts } from './notice-text.ts'

const READS_AT_ONCE = 16
/**
 * Receipts that a guardian may have written and not anchored yet, at most: as many as it may release in that
 * time.
 */
const UNANCHORED_MAX = 2 * RELEASES_GUARDIAN_MINUTE_MAX * (RECEIPT_ANCHOR_MAX_MS / 60_000)

/** What reading notices needs of the world. */
export interface NoticePorts {
  network: string
  ledger: Ledger
  transport: Transport
  clock: Clock
  random: Random
  /** The owner's root, 32 bytes. */
  root: Uint8Array
}

/** All notices, newest first, and the guardians that could not be asked or did not tell the truth. */
export interface Notices {
  notices: NoticeText[]
  /** How many arrived with this call. */
  arrived: number
  problems: GuardianProblem[]
}

/**
 * Asks all guardians of the own objects for receipts since the last time. Each must be signed, fit the guardian's chain of receipts,
 * and that chain must lead to the head anchored on the chain. What arrived is kept in the vault, up to a
 * number. It ends within NOTICES_MS_MAX, however much guardians say they have: the next call goes on from
 * there.
 */
export async function fetchNotices(ports: NoticePorts, vault: Vault): Promise<Notices> {
  await vault.refresh()
  const custodies = await readCustodies(ports.ledger, vault)
  const before = vault.notices().length
  const untilMs = ports.clock.nowMs() + NOTICES_MS_MAX
  const problems: GuardianProblem[] = []
  const guardianIds = new Set(custodies.flatMap(({ guardians }) => guardians))
  const asked = [...guardianIds].map(async (guardianId) => {
    try {
      const own = custodies.filter(({ guardians }) => guardians.includes(guardianId))
      return await readReceipts(ports, vault, await readGuardian(ports.ledger, guardianId), own, untilMs)
    } catch (error) {
      const problem = problemOf(guardianId, error)
      // A guardian that holds no share of these objects has released none.
      if (problem.reason !== 'no-share') problems.push(problem)
      return null
    }
  })
  const keeper = new NoticeKeeper(ports, vault, custodies)
  for (const news of await Promise.all(asked)) {
    if (!news) continue
    for (const receipt of news.receipts) await keeper.keep(news.guardianId, receipt)
    // Only now: what a crash loses is asked for again.
    await vault.setMarker(markerOf(news.guardianId), encodeCbor([news.point.count, news.point.link]))
  }
  await keeper.prune()
  const notices = noticeTexts(vault, ports.clock.nowMs())
  return { notices, arrived: vault.notices().length - before, problems }
}

/** @returns the id of the own object that a gossiped notice is about, or null: a hint that `fetchNotices` has news. */
export function recogniseNotice(
  payload: Uint8Array,
  network: string,
  root: Uint8Array,
  vault: Vault,
): Uint8Array | null {
  const notice = readNotice(payload, network)
  if (!notice) return null
  const found = vault.list().find(({ objectId }) => isNoticeFor(notice.value, noticeTagOf(root, objectId)))
  return found?.objectId ?? null
}

async function readCustodies(ledger: Ledger, vault: Vault): Promise<CustodyValue[]> {
  const waiting = vault.list().map(({ objectId }) => objectId)
  const found: CustodyValue[] = []
  const worker = async () => {
    for (let id = waiting.pop(); id; id = waiting.pop()) {
      const { value } = await ledger.read(custodyKey(id), HEADER_AGE_MS_MAX)
      if (value) found.push(custodyValue.decode(value))
    }
  }
  await Promise.all(Array.from({ length: READS_AT_ONCE }, worker))
  return found
}

interface News {
  guardianId: string
  point: ChainPoint
  receipts: SignedReceipt[]
}

async function readReceipts(
  ports: NoticePorts,
  vault: Vault,
  guardian: GuardianValue,
  own: CustodyValue[],
  untilMs: number,
): Promise<News> {
  const { guardianId } = guardian
  const start = startOf(vault.marker(markerOf(guardianId)), ports.network, guardianId)
  const { value } = await ports.ledger.read(receiptKey(guardianId), HEADER_AGE_MS_MAX)
  const anchored = value && receiptHeadValue.decode(value)
  const receipts: SignedReceipt[] = []
  let point = start
  for (let at = 0; at < own.length; at += RECEIPT_OBJECTS_MAX) {
    const some = own.slice(at, at + RECEIPT_OBJECTS_MAX)
    const head = anchored && { count: anchored.count, link: anchored.head }
    const news = await followOne(ports, guardian, some, { start, anchored: head, untilMs })
    receipts.push(...news.receipts)
    // Later passes may see more: the next call begins where the shortest one ended.
    if (at === 0 || news.point.count < point.count) point = news.point
  }
  return { guardianId, point, receipts }
}

async function followOne(
  ports: NoticePorts,
  guardian: GuardianValue,
  own: CustodyValue[],
  { start, anchored, untilMs }: { start: ChainPoint; anchored: ChainPoint | null; untilMs: number },
): Promise<Omit<News, 'guardianId'>> {
  const { network } = ports
  const { guardianId, signKey } = guardian
  const changed = () =>
    new XcareError('INTEGRITY', `guardian ${guardianId} has changed its history of receipts`)
  const receipts: SignedReceipt[] = []
  let point = start
  for (;;) {
    // What was read so far counts.
    if (ports.clock.nowMs() > untilMs) return { point, receipts }
    const answer = await askWindow(ports, guardian, own, point.count)
    if (answer.count > (anchored?.count ?? 0) + UNANCHORED_MAX)
      throw new XcareError(
        'MALFORMED',
        `guardian ${guardianId} claims more receipts than it can have written`,
      )
    if (answer.fromSeq !== point.count || !equalBytes(answer.prev, point.link)) throw changed()
    const hashes = Array.from({ length: answer.hashes.length / 32 }, (_, at) =>
      answer.hashes.slice(at * 32, at * 32 + 32),
    )
    const followed = followChain(point, hashes, answer.own, { network, guardianId, signKey })
    const meeting = anchored && followed.points[anchored.count - point.count]
    if (meeting && !equalBytes(meeting.link, anchored.link)) throw changed()
    receipts.push(...followed.receipts)
    point = followed.point
    if (point.count >= answer.count) break
    if (hashes.length === 0) throw new XcareError('MALFORMED', `guardian ${guardianId} keeps receipts back`)
  }
  if (anchored && point.count < anchored.count) throw changed()
  return { point, receipts }
}

function askWindow(ports: NoticePorts, guardian: GuardianValue, own: CustodyValue[], fromSeq: number) {
  const { network, random, clock, root, transport } = ports
  const common = { network, guardianId: guardian.guardianId, nonce: random.bytes(32), timeMs: clock.nowMs() }
  const questions = own.map(({ objectId }) =>
    questionFormat.sign(ownerKeyOf(root, objectId), { v: 1, ...common, objectId }),
  )
  return askGuardian(transport, guardian, { type: 'receipts', fromSeq, questions }, 'receipts')
}

function markerOf(guardianId: string): string {
  return `receipts/${guardianId}`
}

function startOf(marker: Uint8Array | null, network: string, guardianId: string): ChainPoint {
  const start = { count: 0, link: firstLink(network, guardianId) }
  if (!marker) return start
  const [count, link] = decodeCbor(marker) as [unknown, unknown]
  return Number.isSafeInteger(count) && link instanceof Uint8Array ? { count: count as number, link } : start
}
