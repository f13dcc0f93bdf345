/** The part of JSON Schema (draft 2020-12) that the published schema uses. */
interface Schema {
  $schema?: string
  type?: string | string[]
  const?: unknown
  enum?: unknown[]
  anyOf?: Schema[]
  oneOf?: Schema[]
  properties?: Record<string, Schema>
  required?: string[]
  additionalProperties?: boolean
  items?: Schema
  minItems?: number
  maxItems?: number
  minLength?: number
  maxLength?: number
  minimum?: number
  maximum?: number
  pattern?: string
  format?: string
}

const KNOWN = new Set([
  ...['$schema', 'type', 'const', 'enum', 'anyOf', 'oneOf', 'properties', 'required', 'additionalProperties'],
  ...['items', 'minItems', 'maxItems', 'minLength', 'maxLength', 'minimum', 'maximum', 'pattern', 'format'],
])

/** @returns every way in which `value` breaks `schema`, with its path. @throws Error on a keyword this does not know: nothing is passed over. */
export function flawsOf(value: unknown, schema: Schema, path = '$'): string[] {
  for (const keyword of Object.keys(schema))
    if (!KNOWN.has(keyword)) throw new Error(`unknown keyword ${keyword} at ${path}`)
  const flaws: string[] = []
  const need = (holds: boolean, what: string) => {
    if (!holds) flaws.push(`${path}: ${what}`)
  }
  for (const choice of [schema.anyOf, schema.oneOf])
    if (choice)
      need(
        choice.some((one) => flawsOf(value, one, path).length === 0),
        'fits no choice',
      )
  if (schema.type)
    need(
      [schema.type].flat().some((type) => typeFits(value, type)),
      `is no ${schema.type}`,
    )
  if ('const' in schema) need(value === schema.const, `is not ${schema.const}`)
  if (schema.enum) need(schema.enum.includes(value), 'is none of the allowed values')
  if (typeof value === 'string') {
    need(
      value.length >= (schema.minLength ?? 0) &&
        value.length <= (schema.maxLength ?? Number.POSITIVE_INFINITY),
      'has a wrong length',
    )
    if (schema.pattern) need(new RegExp(schema.pattern, 'u').test(value), 'does not fit its pattern')
  }
  if (typeof value === 'number')
    need(
      value >= (schema.minimum ?? Number.NEGATIVE_INFINITY) &&
        value <= (schema.maximum ?? Number.POSITIVE_INFINITY),
      'is out of range',
    )
  if (Array.isArray(value)) {
    need(
      value.length >= (schema.minItems ?? 0) && value.length <= (schema.maxItems ?? Number.POSITIVE_INFINITY),
      'has a wrong number of items',
    )
    if (schema.items)
      flaws.push(...value.flatMap((item, at) => flawsOf(item, schema.items!, `${path}[${at}]`)))
  } else if (value !== null && typeof value === 'object')
    flaws.push(...objectFlaws(value as Record<string, unknown>, schema, path))
  return flaws
}

function objectFlaws(value: Record<string, unknown>, schema: Schema, path: string): string[] {
  const { properties = {}, required = [], additionalProperties } = schema
  return [
    ...required.filter((name) => !Object.hasOwn(value, name)).map((name) => `${path}.${name}: is missing`),
    ...Object.entries(value).flatMap(([name, inner]) => {
      const own = Object.hasOwn(properties, name) ? properties[name] : undefined
      if (own) return flawsOf(inner, own, `${path}.${name}`)
      return additionalProperties === false ? [`${path}.${name}: is not known`] : []
    }),
  ]
}

function typeFits(value: unknown, type: string): boolean {
  if (type === 'null') return value === null
  if (type === 'array') return Array.isArray(value)
  if (type === 'object') return value !== null && typeof value === 'object' && !Array.isArray(value)
  if (type === 'integer') return Number.isInteger(value)
  return typeof value === type
}
