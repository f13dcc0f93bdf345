import { crc32, inflateSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { concat, fromUtf8 } from '../../src/bytes.ts'
import type { Random } from '../../src/ports.ts'
import { samplePatient } from '../../src/sdk/sample/sample-patient.ts'

const NOW = Date.UTC(2026, 10, 22)
const DAY_MS = 24 * 3600 * 1000

/** Made-up chance that says the same every time. */
function seeded(seed: number): Random {
  let state = seed
  return {
    bytes: (length) =>
      Uint8Array.from({ length }, () => {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0
        return state >>> 24
      }),
  }
}

async function recordsOf(seed: number): Promise<Map<string, { mediaType: string; bytes: Uint8Array }>> {
  const records = new Map<string, { mediaType: string; bytes: Uint8Array }>()
  for (const source of samplePatient(seeded(seed), NOW)) {
    const parts: Uint8Array[] = []
    for await (const part of source.read(0, source.length)) parts.push(part)
    const bytes = concat(...parts)
    expect(bytes.length).toBe(source.length)
    records.set(source.name, { mediaType: source.mediaType, bytes })
  }
  return records
}

interface Resource {
  resourceType: string
  id: string
  [field: string]: unknown
}

/** Required elements of the resources in use. Source: HL7 FHIR R4 definitions. */
const REQUIRED: Record<string, string[]> = {
  Patient: [],
  Encounter: ['status', 'class'],
  Condition: ['subject'],
  Observation: ['status', 'code'],
  MedicationRequest: ['status', 'intent', 'medicationCodeableConcept', 'subject'],
}

/** Everything called `key` inside `value`. */
function* valuesOf(value: unknown, key: string): Generator<unknown> {
  if (typeof value !== 'object' || value === null) return
  for (const [name, inner] of Object.entries(value)) {
    if (name === key) yield inner
    yield* valuesOf(inner, key)
  }
}

describe.each([1, 2, 3, 4, 5])('the made-up patient of seed %i', (seed) => {
  test('has a FHIR R4 bundle whose resources are complete and whose references lead somewhere', async () => {
    const { mediaType, bytes } = (await recordsOf(seed)).get('visit.fhir.json')!
    expect(mediaType).toBe('application/fhir+json')
    const bundle = JSON.parse(fromUtf8(bytes)) as {
      resourceType: string
      type: string
      timestamp: string
      entry: { fullUrl: string; resource: Resource }[]
    }
    expect(bundle).toMatchObject({ resourceType: 'Bundle', type: 'collection' })
    expect(bundle.timestamp).toMatch(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/)
    const urls = bundle.entry.map(({ fullUrl }) => fullUrl)
    expect(new Set(urls).size).toBe(urls.length)
    for (const { fullUrl, resource } of bundle.entry) {
      expect(fullUrl).toBe(`urn:uuid:${resource.id}`)
      expect(resource.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
      for (const field of REQUIRED[resource.resourceType]!)
        expect(resource, resource.resourceType).toHaveProperty(field)
    }
    for (const reference of valuesOf(bundle, 'reference')) expect(urls).toContain(reference)
    expect(bundle.entry.map(({ resource }) => resource.resourceType)).toContain('Patient')
  })

  test('has plausible dates, numbers and codes', async () => {
    const bundle = JSON.parse(fromUtf8((await recordsOf(seed)).get('visit.fhir.json')!.bytes))
    const [birth] = [...valuesOf(bundle, 'birthDate')] as string[]
    expect(Date.parse(birth!)).toBeLessThan(NOW - 18 * 365 * DAY_MS)
    const [visit] = [...valuesOf(bundle, 'period')] as { start: string; end: string }[]
    expect(Date.parse(visit!.start)).toBeLessThan(Date.parse(visit!.end))
    expect(Date.parse(visit!.end)).toBeLessThan(NOW)
    for (const { value, system, code } of valuesOf(bundle, 'valueQuantity') as Generator<
      Record<string, unknown>
    >) {
      expect(value).toBeGreaterThan(0)
      expect(system).toBe('http://unitsofmeasure.org')
      expect(['%', 'mm[Hg]']).toContain(code)
    }
    for (const codings of valuesOf(bundle, 'coding') as Generator<{ system: string; code: string }[]>)
      for (const { system, code } of codings) {
        expect(system).toMatch(/^http:\/\/(loinc\.org|snomed\.info\/sct|terminology\.hl7\.org\/CodeSystem\/)/)
        if (system === 'http://loinc.org') expect(hasLuhnDigit(code)).toBe(true)
      }
  })

  test('has a PDF whose table points at its objects', async () => {
    const { mediaType, bytes } = (await recordsOf(seed)).get('letter.pdf')!
    expect(mediaType).toBe('application/pdf')
    const text = Buffer.from(bytes).toString('latin1')
    expect(text.startsWith('%PDF-1.4\n')).toBe(true)
    expect(text.endsWith('%%EOF\n')).toBe(true)
    const at = Number(/startxref\n(\d+)\n%%EOF\n$/.exec(text)![1])
    const table = text.slice(at)
    const [, size] = /^xref\n0 (\d+)\n/.exec(table)!
    const rows = [...table.matchAll(/(\d{10}) (\d{5}) ([nf]) \n/g)]
    expect(rows).toHaveLength(Number(size))
    expect(rows[0]!.slice(1)).toEqual(['0000000000', '65535', 'f'])
    for (const [number, row] of rows.entries())
      if (number > 0) expect(text.slice(Number(row[1]))).toMatch(new RegExp(`^${number} 0 obj\\n`))
    expect(table).toContain(`/Size ${size} /Root 1 0 R`)
    const [, length, stream] = /\/Length (\d+) >>\nstream\n([\s\S]*?)\nendstream/.exec(text)!
    expect(stream).toHaveLength(Number(length))
  })

  test('has a PNG whose parts fit their checksums and whose pixels are all there', async () => {
    const { mediaType, bytes } = (await recordsOf(seed)).get('chest-scan.png')!
    expect(mediaType).toBe('image/png')
    expect([...bytes.subarray(0, 8)]).toEqual([137, 80, 78, 71, 13, 10, 26, 10])
    const parts = pngParts(bytes)
    expect(parts.map(({ name }) => name)).toEqual(['IHDR', 'IDAT', 'IEND'])
    const header = new DataView(Uint8Array.from(parts[0]!.content).buffer)
    const [width, height] = [header.getUint32(0), header.getUint32(4)]
    expect([...parts[0]!.content.subarray(8)]).toEqual([8, 0, 0, 0, 0])
    const rows = inflateSync(parts[1]!.content)
    expect(rows).toHaveLength(height * (width + 1))
    for (let row = 0; row < height; row++) expect(rows[row * (width + 1)]).toBe(0)
    expect(new Set(rows).size).toBeGreaterThan(100)
  })
})

function hasLuhnDigit(loinc: string): boolean {
  const [body, check] = loinc.split('-') as [string, string]
  const sum = [...body].reverse().reduce((total, digit, at) => {
    const value = Number(digit) * (at % 2 === 0 ? 2 : 1)
    return total + (value > 9 ? value - 9 : value)
  }, 0)
  return (10 - (sum % 10)) % 10 === Number(check)
}

function pngParts(bytes: Uint8Array): { name: string; content: Uint8Array }[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const parts: { name: string; content: Uint8Array }[] = []
  for (let at = 8; at < bytes.length; ) {
    const length = view.getUint32(at)
    const named = bytes.subarray(at + 4, at + 8 + length)
    expect(view.getUint32(at + 8 + length)).toBe(crc32(named))
    parts.push({ name: fromUtf8(named.subarray(0, 4)), content: named.subarray(4) })
    at += 12 + length
  }
  return parts
}

describe('made-up patients', () => {
  test('are the same for the same chance and differ otherwise', async () => {
    const [one, again, other] = await Promise.all([recordsOf(1), recordsOf(1), recordsOf(2)])
    for (const [name, { bytes }] of one) {
      expect(again.get(name)!.bytes).toEqual(bytes)
      expect(other.get(name)!.bytes).not.toEqual(bytes)
    }
  })

  test('need nothing from outside, and each is another one', () => {
    const [first, second] = [samplePatient(), samplePatient()]
    expect(first.map(({ name }) => name)).toEqual(second.map(({ name }) => name))
  })
})
