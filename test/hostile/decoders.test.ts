import { globSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { fromHex, fromUtf8, toHex, utf8 } from '../../src/bytes.ts'
import { decodeCbor, encodeCbor } from '../../src/cbor.ts'
import { decodeAppState, decodeGenesis, encodeAppState } from '../../src/chain-anchor/app/genesis.ts'
import { decodeTx } from '../../src/chain-anchor/app/tx.ts'
import {
  decodeBlockId,
  decodeCommit,
  decodeHeader,
  decodeLightBlock,
  decodeTime,
} from '../../src/chain-anchor/comet/decode.ts'
import { encodeBlockId, encodeCommit, encodeHeader } from '../../src/chain-anchor/comet/encode.ts'
import { decodeStateProof } from '../../src/chain-anchor/state/proof.ts'
import { depositFormat, depositReceiptFormat } from '../../src/custody/deposit.ts'
import { destroyOrderFormat, destroyReceiptFormat, destructionFormat } from '../../src/custody/destroy.ts'
import { decodeLetter, encodeLetter, grantFormat } from '../../src/custody/grant.ts'
import { mailQuestionFormat } from '../../src/custody/mail.ts'
import { noticeFormat } from '../../src/custody/notice.ts'
import { questionFormat, receiptFormat } from '../../src/custody/release/receipt.ts'
import { requestFormat } from '../../src/custody/release/request.ts'
import { XcareError } from '../../src/errors.ts'
import { readBundleIndex } from '../../src/fragment/bundle.ts'
import { decodeHead } from '../../src/fragment/header.ts'
import { decodeManifest } from '../../src/fragment/manifest.ts'
import { answerFrame, requestFrame } from '../../src/wire/custody-protocol.ts'
import { decodeClientFrame, decodeNodeFrame, encodeFrame } from '../../src/wire/fragment-protocol.ts'
import { mutationsOf } from './mutations.ts'

/** Changed inputs for each good one; a longer hunt sets the variable. */
const INPUTS = Number(process.env.XCARE_FUZZ ?? 400)

const vector = (name: string) =>
  JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), 'utf8'))
const hexes = (all: string[]) => all.map(fromHex)
const good = { ...vector('custody').good, ...vector('grant').good, ...vector('custody-protocol').good }
const lights = Object.values(vector('light-block').lightBlocks as Record<string, string>).map(fromHex)
const frames: string[] = vector('fragment-protocol').accept.map(({ frame }: { frame: string }) => frame)
const isNodes = (frame: string) => Number.parseInt(frame.slice(0, 2), 16) >= 0x40
const head = new Uint8Array(1024)
head.set(fromHex(vector('object').heads.start))

interface Decoder {
  decode(bytes: Uint8Array): unknown
  good: Uint8Array[]
  /** Of formats with one form for each value: what was read, written again. */
  encode?(value: never): Uint8Array
}

const whole = (parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts))
const signed = (format: { decode(bytes: Uint8Array): unknown }, hex: string): Decoder => ({
  decode: (bytes) => format.decode(bytes),
  good: [fromHex(hex)],
})

/** Every decoder of bytes that may come from somebody else. */
const DECODERS: Record<string, Decoder> = {
  decodeCbor: {
    decode: decodeCbor,
    encode: encodeCbor,
    good: hexes(vector('encoding').accept.map((a: { hex: string }) => a.hex)),
  },
  decodeTx: {
    decode: decodeTx,
    good: hexes(vector('transaction').accept.map((a: { hex: string }) => a.hex)),
  },
  decodeAppState: {
    decode: decodeAppState,
    good: [encodeAppState({ governors: [new Uint8Array(32)], epochBlocksMin: 1 })],
  },
  decodeGenesis: {
    decode: (bytes) => decodeGenesis(fromUtf8(bytes)),
    good: [utf8('{"genesis_time":"2026-01-01T00:00:00Z"}')],
  },
  decodeTime: { decode: decodeTime, good: [Uint8Array.of(8, 1, 16, 2)] },
  decodeBlockId: {
    decode: decodeBlockId,
    good: lights.map((bytes) => encodeBlockId(decodeLightBlock(bytes).commit.blockId)),
  },
  decodeHeader: {
    decode: decodeHeader,
    good: lights.map((bytes) => encodeHeader(decodeLightBlock(bytes).header)),
  },
  decodeCommit: {
    decode: decodeCommit,
    good: lights.map((bytes) => encodeCommit(decodeLightBlock(bytes).commit)),
  },
  decodeLightBlock: { decode: decodeLightBlock, good: lights },
  decodeStateProof: {
    decode: decodeStateProof,
    good: hexes(vector('state-proof').valid.map((a: { proof: string }) => a.proof)),
  },
  decodeHead: { decode: decodeHead, good: [head] },
  decodeManifest: { decode: decodeManifest, good: [fromHex(vector('manifest').accept.hex)] },
  readBundleIndex: { decode: readBundleIndex, good: [fromHex(vector('bundle').accept.hex)] },
  decodeClientFrame: {
    decode: decodeClientFrame,
    encode: (message) => whole(encodeFrame(message)),
    good: hexes(frames.filter((frame) => !isNodes(frame))),
  },
  decodeNodeFrame: {
    decode: decodeNodeFrame,
    encode: (message) => whole(encodeFrame(message)),
    good: hexes(frames.filter(isNodes)),
  },
  decodeLetter: { decode: decodeLetter, encode: encodeLetter, good: [fromHex(good.letter)] },
  grantFormat: { decode: grantFormat.decode, encode: grantFormat.encode, good: [fromHex(good.grant)] },
  requestFrame: { decode: requestFrame.decode, encode: requestFrame.encode, good: hexes(good.requestFrame) },
  answerFrame: { decode: answerFrame.decode, encode: answerFrame.encode, good: hexes(good.answerFrame) },
  depositFormat: signed(depositFormat, good.deposit),
  depositReceiptFormat: signed(depositReceiptFormat, good.depositReceipt),
  destroyOrderFormat: signed(destroyOrderFormat, good.destroyOrder),
  destroyReceiptFormat: signed(destroyReceiptFormat, good.destroyReceipt),
  destructionFormat: signed(destructionFormat, good.destruction),
  mailQuestionFormat: signed(mailQuestionFormat, good.mailQuestion),
  noticeFormat: signed(noticeFormat, good.notice),
  questionFormat: signed(questionFormat, good.receiptQuestion),
  receiptFormat: signed(receiptFormat, good.receipt),
  requestFormat: signed(requestFormat, good.request),
}

/** Read by nobody but who wrote it, or read whole by one of the above. */
const OTHERS = new Set([
  'decodeShards',
  'decodeStripe',
  'decodeShare',
  'decodeVarint',
  'decodeFrameHeader',
  'decodeVolumeHead',
  'entryFormat',
])

function refused(error: unknown): boolean {
  return error instanceof XcareError && ['MALFORMED', 'INTEGRITY'].includes(error.code)
}

describe.each(Object.entries(DECODERS))('%s', (name, { decode, encode, good: inputs }) => {
  test('reads or refuses by name whatever is made of good bytes, and reads one form of each value only', () => {
    for (const [seed, input] of inputs.entries())
      for (const bytes of mutationsOf(input, Math.ceil(INPUTS / inputs.length), seed + name.length)) {
        let value: unknown
        try {
          value = decode(bytes)
        } catch (error) {
          if (refused(error)) continue
          throw new Error(`${name} broke on ${toHex(bytes)}`, { cause: error })
        }
        if (encode) expect(toHex(encode(value as never)), `${name}: a second form`).toBe(toHex(bytes))
      }
  })
})

test('every decoder of the program is tried', () => {
  const found = globSync('src/**/*.ts').flatMap((path) =>
    Array.from(
      readFileSync(path, 'utf8').matchAll(/^export (?:function (decode[A-Z]\w*)|const (\w+Format) = )/gm),
      ([, decoder, format]) => (decoder ?? format)!,
    ),
  )
  expect(found.filter((name) => !(name in DECODERS) && !OTHERS.has(name))).toEqual([])
})
