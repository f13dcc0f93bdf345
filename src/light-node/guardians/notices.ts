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
import { HEADER_AGE_MS_MAX, RECEIPT_OBJECTS_MAX } from '../../limits.ts'
import type { Clock, Ledger, Random, Transport } from '../../ports.ts'
import { askGuardian, type GuardianProblem, problemOf, readGuardian } from './ask-guardian.ts'
import { type NoticeText, noticeTexts } from './notice-text.ts'

const READS_AT_ONCE = 16
/** Windows of one guardian's chain read in one go: more receipts than a guardian writes in a year of steady use. */
const WINDOWS_MAX = 100_000

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
 * and that chain must lead to the head anchored on the chain. What arrived is kept in the vault.
 */
export async function fetchNotices(ports: NoticePorts, vault: Vault): Promise<Notices> {
  const custodies = await readCustodies(ports.ledger, vault)
  const before = vault.notices().length
  const problems: GuardianProblem[] = []
  const guardianIds = new Set(custodies.flatMap(({ guardians }) => guardians))
  const asked = [...guardianIds].map(async (guardianId) => {
    try {
      const own = custodies.filter(({ guardians }) => guardians.includes(guardianId))
      return await readReceipts(ports, vault, await readGuardian(ports.ledger, guardianId), own)
    } catch (error) {
      problems.push(problemOf(guardianId, error))
      return null
    }
  })
  for (const news of await Promise.all(asked)) {
    if (!news) continue
    for (const receipt of news.receipts) await keepReceipt(vault, receipt, custodies)
    // Only now: what a crash loses is asked for again.
    await vault.setMarker(markerOf(news.guardianId), encodeCbor([news.point.count, news.point.link]))
  }
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
): Promise<News> {
  const { guardianId } = guardian
  const start = startOf(vault.marker(markerOf(guardianId)), ports.network, guardianId)
  const { value } = await ports.ledger.read(receiptKey(guardianId), HEADER_AGE_MS_MAX)
  const anchored = value && receiptHeadValue.decode(value)
  const receipts: SignedReceipt[] = []
  let point = start
  for (let at = 0; at < own.length; at += RECEIPT_OBJECTS_MAX) {
    const some = own.slice(at, at + RECEIPT_OBJECTS_MAX)
    const news = await followOne(
      ports,
      guardian,
      some,
      start,
      anchored && { count: anchored.count, link: anchored.head },
    )
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
  start: ChainPoint,
  anchored: ChainPoint | null,
): Promise<Omit<News, 'guardianId'>> {
  const { network } = ports
  const { guardianId, signKey } = guardian
  const changed = () =>
    new XcareError('INTEGRITY', `guardian ${guardianId} has changed its history of receipts`)
  const receipts: SignedReceipt[] = []
  let point = start
  for (let window = 0; window < WINDOWS_MAX; window++) {
    const answer = await askWindow(ports, guardian, own, point.count)
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

async function keepReceipt(vault: Vault, receipt: SignedReceipt, custodies: CustodyValue[]): Promise<void> {
  const { releaseId, grantId, objectId, purpose, timeMs, index } = receipt.value
  const custody = custodies.find((candidate) => equalBytes(candidate.objectId, objectId))
  const known = vault
    .notices()
    .find((notice) => equalBytes(notice.releaseId, releaseId) && equalBytes(notice.objectId, objectId))
  if (!custody || known?.by.includes(index)) return
  const by = [...(known?.by ?? []), index].sort((a, b) => a - b)
  const firstMs = Math.min(timeMs, known?.timeMs ?? timeMs)
  await vault.addNotice({ releaseId, grantId, objectId, purpose, timeMs: firstMs, by, of: custody.m })
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
