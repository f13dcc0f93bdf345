import { concat, toHex, u32be, utf8 } from '../../src/bytes.ts'
import { decodeCbor, encodeCbor } from '../../src/cbor.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import { packBundle } from '../../src/fragment/bundle.ts'
import { encodeHead, type FragmentHeader } from '../../src/fragment/header.ts'
import { bodyContext, deriveObjectKeys } from '../../src/fragment/object-keys.ts'
import { fragmentOf, NETWORK, type SampleObject, sampleObject } from './sample-object.ts'

/** Derives what is frozen under test/vectors, so that a change of any format shows. */

/** @returns `length` bytes, byte i being (31 i + floor(i / 256)) mod 256. */
export function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (31 * at + (at >>> 8)) & 255)
}

const OBJECTS = [
  { name: 'empty', plainBytes: 0, k: 6, n: 12, shardBytesMax: 65536 },
  { name: 'one short stripe', plainBytes: 100, k: 2, n: 4, shardBytesMax: 65536 },
  { name: 'last chunk empty', plainBytes: 16376, k: 3, n: 5, shardBytesMax: 65536 },
  { name: 'several stripes', plainBytes: 100_000, k: 2, n: 3, shardBytesMax: 16384 },
  { name: 'more than 255 columns', plainBytes: 5000, k: 5, n: 256, shardBytesMax: 1024 },
]

/** @returns the object of vector `at`, whole. */
export function objectCase(at: number): Promise<SampleObject> {
  const { plainBytes, k, n, shardBytesMax } = OBJECTS[at]!
  return sampleObject(pattern(plainBytes), k, n, {
    shardBytesMax,
    seed: at + 1,

    name: 'vector.bin',
  })
}

/** Content of test/vectors/object.json. */
export async function objectVectors(): Promise<object> {
  const objects = await Promise.all(
    OBJECTS.map(async ({ name }, at) => ({ name, ...describeObject(await objectCase(at)) })),
  )
  return {
    spec: 'docs/spec/object.md, docs/spec/fragment.md',
    plainRule: 'byte i = (31 i + floor(i / 256)) mod 256',
    objects,
    heads: headVectors(),
    wideHeads: wideHeadVectors(),
  }
}

function describeObject(object: SampleObject): object {
  const { manifest, writer, custodyKey, stripes, plain } = object
  const {
    objectId,
    version,
    ownerKey,
    k,
    n,
    shardBytes,
    bodyLength,
    salt,
    commitment,
    columnRoots,
    objectRoot,
    kcv,
  } = manifest
  const secret = writer.secret32()
  const { layout } = writer.written()
  const keys = deriveObjectKeys(custodyKey, secret, manifest)
  const shares = stripes.map((_, stripe) =>
    Array.from({ length: n }, (_, column) => toHex(fragmentOf(object, stripe, column).subarray(64, 97))),
  )
  const bytes = {
    objectId,
    ownerKey,
    custodyKey,
    secret,
    bodyKey: keys.body,
    sealedKey: keys.sealed,
    salt,
    kcv,
    commitment,
    objectRoot,
  }
  return {
    plainBytes: plain.length,
    ...{ version, k, n, shardBytes, stripes: stripes.length, bodyLength, paddedLength: layout.paddedLength },
    ...Object.fromEntries(Object.entries(bytes).map(([name, value]) => [name, toHex(value)])),
    context: toHex(bodyContext(manifest, ownerKey, layout)),
    shares,
    fragmentHashes: stripes.map(({ hashes }) => hashesOf(hashes)),
    columnRoots: columnRoots.map(toHex),
  }
}

function hashesOf(hashes: Uint8Array): string[] {
  return Array.from({ length: hashes.length / 32 }, (_, at) => toHex(hashes.subarray(at * 32, at * 32 + 32)))
}

function headVectors(): object {
  const header = {
    objectId: pattern(32),
    version: 3,
    stripe: 4,
    column: 11,
    k: 6,
    n: 12,
    shardBytes: 65536,
    stripes: 5,
  }
  const share = Uint8Array.of(...pattern(32), 12)
  const start = toHex(encodeHead(header, share).subarray(0, 97))
  const reject = [
    ['another mark', 0, '59'],
    ['version 0', 36, '00000000'],
    ['stripe past the last', 40, '00000005'],
    ['column past the last', 44, '0000000c'],
    ['k = 1', 48, '00000001'],
    ['k = n', 48, '0000000c'],
    ['n = 256', 52, '00000100'],
    ['empty shard', 56, '00000000'],
    ['shard of no whole step', 56, '00010001'],
    ['shard above 64 KiB', 56, '00010040'],
    ['no stripes', 60, '00000000'],
    ['more than 65536 stripes', 60, '00010001'],
    ['share at position 0', 96, '00'],
    ['share of another column', 96, '0b'],
    ['first byte of the tail', 97, '01'],
    ['last byte of the tail', 1023, '80'],
  ].map(([name, at, hex]) => ({ name, at, hex }))
  return describeHead(header, share, start, reject)
}

function describeHead(header: FragmentHeader, share: Uint8Array, start: string, reject: object[]): object {
  return {
    about: '1024 bytes: `start`, then zeros; a reject writes `hex` at `at`',
    start,
    header: { ...header, objectId: toHex(header.objectId) },
    share: toHex(share),
    reject,
  }
}

/** Above 255 columns the share's last byte is 0. */
function wideHeadVectors(): object {
  const place = { version: 1, stripe: 0, column: 16_000, k: 16_384, n: 32_768, shardBytes: 1024, stripes: 1 }
  const header = { objectId: pattern(32), ...place }
  const share = Uint8Array.of(...pattern(32), 0)
  const start = toHex(encodeHead(header, share).subarray(0, 97))
  const reject = [
    ['column past the last', 44, '00008000'],
    ['n = 32769', 52, '00008001'],
    ['share with a position', 96, '01'],
  ].map(([name, at, hex]) => ({ name, at, hex }))
  return describeHead(header, share, start, reject)
}

/** Content of test/vectors/manifest.json. */
export async function manifestVectors(): Promise<object> {
  const { encoded, manifest, custodyKey, writer } = await objectCase(1)
  const { sealed, ...fields } = manifest
  const shown = Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.map(toHex) : value instanceof Uint8Array ? toHex(value) : value,
    ]),
  )
  const privatePart = {
    name: 'vector.bin',
    mediaType: 'application/octet-stream',
    length: 100,
    kind: 'record',
    createdMs: 1_700_000_000_000,
  }
  const keys = deriveObjectKeys(custodyKey, writer.secret32(), manifest)
  const accept = {
    network: NETWORK,
    hex: toHex(encoded),
    hash: toHex(sha256(encoded)),
    fields: shown,
    sealed: toHex(sealed),
    sealedKey: toHex(keys.sealed),
    privatePart,
  }
  return { spec: 'docs/spec/manifest.md', accept, reject: manifestRejects(encoded) }
}

function manifestRejects(encoded: Uint8Array): object[] {
  const change = (name: string, code: string, fields: Record<string, unknown>) => {
    const all = { ...(decodeCbor(encoded) as Record<string, unknown>), ...fields }
    const kept = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null))
    return { name, code, hex: toHex(encodeCbor(kept)) }
  }
  const { columnRoots, signature, kcv } = decodeCbor(encoded) as Record<string, Uint8Array> & {
    columnRoots: Uint8Array[]
  }
  const flip = (bytes: Uint8Array) => bytes.map((byte, at) => (at === 0 ? byte ^ 1 : byte))
  return [
    change('field missing', 'MALFORMED', { kcv: null }),
    change('unknown field', 'MALFORMED', { extra: 1 }),
    change('another suite', 'MALFORMED', { suite: 2 }),
    change('version 0', 'MALFORMED', { version: 0 }),
    change('short salt', 'MALFORMED', { salt: new Uint8Array(23) }),
    change('a column root missing', 'MALFORMED', { columnRoots: columnRoots.slice(1) }),
    change('body of no object', 'MALFORMED', { bodyLength: 4113 }),
    change('k = n', 'MALFORMED', { n: 2, columnRoots: columnRoots.slice(2) }),
    change('a stripe too many', 'MALFORMED', { stripes: 2 }),
    { name: 'bytes behind the end', code: 'MALFORMED', hex: `${toHex(encoded)}00` },
    { name: 'cut off', code: 'MALFORMED', hex: toHex(encoded.subarray(0, -1)) },
    change('another network', 'INTEGRITY', { network: 'other' }),
    change('column roots swapped', 'INTEGRITY', {
      columnRoots: [columnRoots[1]!, columnRoots[0]!, ...columnRoots.slice(2)],
    }),
    change('altered key check value', 'INTEGRITY', { kcv: flip(kcv!) }),
    change('altered signature', 'INTEGRITY', { signature: flip(signature!) }),
    change('a custody epoch later', 'INTEGRITY', { custodyEpoch: 2 }),
  ]
}

/** Content of test/vectors/bundle.json. */
export function bundleVectors(): object {
  const records = [
    {
      name: 'lab/2024-01.json',
      mediaType: 'application/fhir+json',
      bytes: utf8('{"resourceType":"Observation"}'),
    },
    { name: 'empty', mediaType: 'application/octet-stream', bytes: new Uint8Array(0) },
    { name: 'Überweisung.txt', mediaType: 'text/plain; charset=utf-8', bytes: utf8('Grüße') },
  ]
  const bundle = packBundle(records)
  const entry = { name: 'a', mediaType: 'text/plain', length: 1, sha256: sha256(utf8('x')) }
  const of = (entries: unknown, data = 'x') => {
    const index = encodeCbor(entries)
    return toHex(concat(u32be(index.length), index, utf8(data)))
  }
  const badNames = [
    '',
    '/a',
    '..',
    '../a',
    'a/../b',
    'a//b',
    'a/',
    '.',
    'a\\b',
    'c:a',
    'a\u0000',
    'a\u202eb',
    'x'.repeat(256),
  ]
  const reject = [
    { name: 'nothing', hex: '' },
    { name: 'no records', hex: of([], '') },
    { name: 'record missing', hex: of([entry], '') },
    { name: 'bytes behind the last record', hex: of([entry], 'xy') },
    { name: 'unknown field', hex: of([{ ...entry, offset: 0 }]) },
    { name: 'name twice', hex: of([entry, entry], 'xx') },
    { name: 'name inside another', hex: of([entry, { ...entry, name: 'a/b' }], 'xx') },
    { name: 'bad media type', hex: of([{ ...entry, mediaType: 'text' }]) },
    ...badNames.map((name) => ({
      name: `record name ${JSON.stringify(name).slice(0, 20)}`,
      hex: of([{ ...entry, name }]),
    })),
  ]
  const shown = records.map(({ name, mediaType, bytes }) => ({ name, mediaType, hex: toHex(bytes) }))
  return { spec: 'docs/spec/bundle.md', accept: { records: shown, hex: toHex(bundle) }, reject }
}
