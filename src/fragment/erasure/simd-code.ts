/**
 * The WebAssembly module behind the fast kernel, put together here instruction by instruction: a few loops
 * over 16-byte vectors need neither a compiler nor a binary in the repository.
 * Opcodes: WebAssembly Core Specification 2.0 and 3.0 (relaxed vectors), chapter 5.4.
 */

type Code = readonly number[]

const I32 = 0x7f
const V128 = 0x7b
const VECTOR = 16

const get = (local: number): Code => [0x20, local]
const set = (local: number, value: Code): Code => [...value, 0x21, local]
const i32 = (value: number): Code => [0x41, ...signed(value)]
const plus = (a: Code, b: Code): Code => [...a, ...b, 0x6a]
const advance = (local: number, by: number): Code => set(local, plus(get(local), i32(by)))
const loadWord = (at: Code, offset = 0): Code => [...at, 0x28, 2, offset]
/** Repeats `body` while the local is below the limit, both unsigned; at least once. */
const loopWhile = (body: Code, local: number, limit: Code): Code => [
  ...[0x03, 0x40],
  ...body,
  ...get(local),
  ...limit,
  ...[0x49, 0x0d, 0, 0x0b],
]
const load = (at: Code, offset = 0): Code => [...at, 0xfd, 0x00, 0, offset]
const store = (at: Code, offset: number, value: Code): Code => [...at, ...value, 0xfd, 0x0b, 0, offset]
const xor = (a: Code, b: Code): Code => [...a, ...b, 0xfd, 0x51]
const and = (a: Code, b: Code): Code => [...a, ...b, 0xfd, 0x4e]
const splat = (byte: number): Code => [...i32(byte), 0xfd, 0x0f]
const highNibbles = (value: Code, mask: Code): Code => and([...value, ...i32(4), 0xfd, 0x8d, 0x01], mask)

/** Looks up 16 bytes at once; indexes are below 16, so both forms of the instruction do the same. */
type Lookup = (table: Code, index: Code) => Code
const strictLookup: Lookup = (table, index) => [...table, ...index, 0xfd, 0x0e]
const relaxedLookup: Lookup = (table, index) => [...table, ...index, 0xfd, 0x80, 0x02]

interface Routine {
  name: string
  parameters: number
  /** Types of the other locals, in order. */
  locals: Code
  body: Code
}

/** What one step does with rows x and y and the product of a factor. */
type Step = 'product' | 'forward' | 'inverse'

/** @param relaxed use relaxed vector look-ups, a quarter faster where the engine has them. @returns the module's bytes. */
export function simdModule(relaxed: boolean): Uint8Array<ArrayBuffer> {
  const lookup = relaxed ? relaxedLookup : strictLookup
  const steps = ['product', 'forward', 'inverse'] as const
  return assemble([
    addRows(),
    ...steps.map((step) => byteStep(step, lookup)),
    ...steps.map((step) => wideStep(step, lookup)),
    ...[false, true].flatMap((zero) => [
      quadStep('forward', zero, lookup),
      quadStep('inverse', zero, lookup),
    ]),
    ...[1, 2, 3, 4].map((lanes) => combination(lanes, lookup)),
  ])
}

/** add(x, y, bytes): x += y. */
function addRows(): Routine {
  const [x, y, bytes, end] = [0, 1, 2, 3]
  const offsets = [0, 16, 32, 48]
  const body = [
    ...set(end, plus(get(x), get(bytes))),
    ...loopWhile(
      [
        ...offsets.flatMap((at) => store(get(x), at, xor(load(get(x), at), load(get(y), at)))),
        ...advance(x, 64),
        ...advance(y, 64),
      ],
      x,
      get(end),
    ),
  ]
  return { name: 'add', parameters: 3, locals: [I32], body }
}

/** STEP8(x, y, bytes, table): a factor of GF(2^8), given by its 32-byte table of nibble products. */
function byteStep(step: Step, lookup: Lookup): Routine {
  const [x, y, bytes, table, end, low, high, mask, a, b] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
  const product = xor(
    lookup(get(low), and(get(b), get(mask))),
    lookup(get(high), highNibbles(get(b), get(mask))),
  )
  const vector = (at: number): Code => {
    const loadA = set(a, load(get(x), at))
    const loadB = set(b, load(get(y), at))
    const addProduct = [...set(a, xor(get(a), product)), ...store(get(x), at, get(a))]
    const addA = [...set(b, xor(get(b), get(a))), ...store(get(y), at, get(b))]
    if (step === 'product') return [...loadA, ...loadB, ...addProduct]
    return [...loadA, ...loadB, ...(step === 'forward' ? [...addProduct, ...addA] : [...addA, ...addProduct])]
  }
  const body = [
    ...set(low, load(get(table))),
    ...set(high, load(get(table), VECTOR)),
    ...set(mask, splat(15)),
    ...set(end, plus(get(x), get(bytes))),
    ...loopWhile([...[0, 16, 32, 48].flatMap(vector), ...advance(x, 64), ...advance(y, 64)], x, get(end)),
  ]
  return { name: `${step}8`, parameters: 4, locals: [I32, V128, V128, V128, V128, V128], body }
}

/**
 * STEP4(row, stride, bytes, f1, f2, f3) and STEP4z(row, stride, bytes, f3) for f1 = f2 = 0: two levels at once
 * on four rows, so that each vector is read and written once for four butterflies.
 */
function quadStep(step: 'forward' | 'inverse', zero: boolean, lookup: Lookup): Routine {
  const parameters = zero ? 4 : 6
  const [row, stride, bytes, firstTable] = [0, 1, 2, 3]
  const local = (at: number) => parameters + at
  const [end, address] = [local(0), local(1)]
  const [mask, firstNibbles, firstRow] = [local(2), local(3), local(9)]
  const r = [0, 1, 2, 3].map((at) => firstRow + at)
  const times = (value: number, factor: number): Code =>
    xor(
      lookup(get(firstNibbles + factor * 2), and(get(value), get(mask))),
      lookup(get(firstNibbles + factor * 2 + 1), highNibbles(get(value), get(mask))),
    )
  const add = (to: number, from: number): Code => set(r[to], xor(get(r[to]), get(r[from])))
  const addProduct = (to: number, from: number, factor: number): Code =>
    zero && factor < 2 ? [] : set(r[to], xor(get(r[to]), times(r[from], factor)))
  const forward = (x: number, y: number, factor: number) => [...addProduct(x, y, factor), ...add(y, x)]
  const inverse = (x: number, y: number, factor: number) => [...add(y, x), ...addProduct(x, y, factor)]
  const butterflies =
    step === 'forward'
      ? [...forward(0, 2, 0), ...forward(1, 3, 0), ...forward(0, 1, 1), ...forward(2, 3, 2)]
      : [...inverse(0, 1, 1), ...inverse(2, 3, 2), ...inverse(0, 2, 0), ...inverse(1, 3, 0)]
  const eachRow = (visit: (value: number) => Code): Code => [
    ...set(address, get(row)),
    ...r.flatMap((value, at) => [
      ...visit(value),
      ...(at < 3 ? set(address, plus(get(address), get(stride))) : []),
    ]),
  ]
  const tables = zero ? [2] : [0, 1, 2]
  const body = [
    ...tables.flatMap((factor, at) =>
      [0, 1].flatMap((half) =>
        set(firstNibbles + factor * 2 + half, load(get(firstTable + at), half * VECTOR)),
      ),
    ),
    ...set(mask, splat(15)),
    ...set(end, plus(get(row), get(bytes))),
    ...loopWhile(
      [
        ...[0, 16].flatMap((at) => [
          ...eachRow((value) => set(value, load(get(address), at))),
          ...butterflies,
          ...eachRow((value) => store(get(address), at, get(value))),
        ]),
        ...advance(row, 32),
      ],
      row,
      get(end),
    ),
  ]
  const locals = [I32, I32, ...Array<number>(11).fill(V128)]
  return { name: `${step}4${zero ? 'z' : ''}`, parameters, locals, body }
}

/** STEP16(x, y, bytes, ll, lh, hl, hh): a factor of GF(2^16) as the tables of its four byte products. */
function wideStep(step: Step, lookup: Lookup): Routine {
  const [x, y, bytes, firstTable, end, mask] = [0, 1, 2, 3, 7, 8]
  const nibbles = [9, 10, 11, 12, 13, 14, 15, 16]
  const [aLow, aHigh, bLow, bHigh] = [17, 18, 19, 20]
  const product = (half: 0 | 1): Code => {
    const part = (table: number, value: number): Code =>
      xor(
        lookup(get(nibbles[table * 2]), and(get(value), get(mask))),
        lookup(get(nibbles[table * 2 + 1]), highNibbles(get(value), get(mask))),
      )
    return xor(part(half * 2, bLow), part(half * 2 + 1, bHigh))
  }
  const vector = (at: number): Code => {
    const loads = [
      ...set(aLow, load(get(x), at)),
      ...set(aHigh, load(get(x), at + 32)),
      ...set(bLow, load(get(y), at)),
      ...set(bHigh, load(get(y), at + 32)),
    ]
    const addProduct = [
      ...set(aLow, xor(get(aLow), product(0))),
      ...set(aHigh, xor(get(aHigh), product(1))),
      ...store(get(x), at, get(aLow)),
      ...store(get(x), at + 32, get(aHigh)),
    ]
    const addA = [
      ...set(bLow, xor(get(bLow), get(aLow))),
      ...set(bHigh, xor(get(bHigh), get(aHigh))),
      ...store(get(y), at, get(bLow)),
      ...store(get(y), at + 32, get(bHigh)),
    ]
    if (step === 'product') return [...loads, ...addProduct]
    return [...loads, ...(step === 'forward' ? [...addProduct, ...addA] : [...addA, ...addProduct])]
  }
  const body = [
    ...nibbles.flatMap((local, at) => set(local, load(get(firstTable + (at >> 1)), (at & 1) * VECTOR))),
    ...set(mask, splat(15)),
    ...set(end, plus(get(x), get(bytes))),
    ...loopWhile([...vector(0), ...vector(16), ...advance(x, 64), ...advance(y, 64)], x, get(end)),
  ]
  return { name: `${step}16`, parameters: 7, locals: [I32, ...Array<number>(13).fill(V128)], body }
}

/**
 * combineLANES(inputs, inputsEnd, outputs, tables, bytes, step): up to four sums of products at once.
 * `inputs` and `outputs` point to lists of addresses, `tables` to 32 bytes per input and output. At every
 * multiple of `step` below `bytes`, 32 bytes of each input make 32 bytes of each output.
 */
function combination(lanes: number, lookup: Lookup): Routine {
  const [inputs, inputsEnd, outputs, tables, bytes, step, at, input, table, address] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
  ]
  const [mask, low0, high0, low1, high1, firstSum] = [10, 11, 12, 13, 14, 15]
  const sum = (lane: number, half: number) => firstSum + lane * 2 + half
  const all = Array.from({ length: lanes }, (_, lane) => lane)
  const addLane = (lane: number): Code => {
    const tableAt = (half: number) => load(get(table), lane * 32 + half * VECTOR)
    const term = (half: number, low: number, high: number) =>
      set(
        sum(lane, half),
        xor(get(sum(lane, half)), xor(lookup(tableAt(0), get(low)), lookup(tableAt(1), get(high)))),
      )
    return [...term(0, low0, high0), ...term(1, low1, high1)]
  }
  const takeInput = [
    ...set(address, plus(loadWord(get(input)), get(at))),
    ...set(low1, load(get(address))),
    ...set(low0, and(get(low1), get(mask))),
    ...set(high0, highNibbles(get(low1), get(mask))),
    ...set(high1, load(get(address), VECTOR)),
    ...set(low1, and(get(high1), get(mask))),
    ...set(high1, highNibbles(get(high1), get(mask))),
    ...all.flatMap(addLane),
    ...advance(input, 4),
    ...advance(table, lanes * 32),
  ]
  const outputOf = (lane: number) => plus(loadWord(get(outputs), lane * 4), get(at))
  const block = [
    ...all.flatMap((lane) => [0, 1].flatMap((half) => set(sum(lane, half), splat(0)))),
    ...set(input, get(inputs)),
    ...set(table, get(tables)),
    ...loopWhile(takeInput, input, get(inputsEnd)),
    ...all.flatMap((lane) =>
      [0, 1].flatMap((half) => store(outputOf(lane), half * VECTOR, get(sum(lane, half)))),
    ),
    ...set(at, plus(get(at), get(step))),
  ]
  const body = [...set(mask, splat(15)), ...loopWhile(block, at, get(bytes))]
  const locals = [I32, I32, I32, I32, ...Array<number>(5 + lanes * 2).fill(V128)]
  return { name: `combine${lanes}`, parameters: 6, locals, body }
}

/** One module that owns and exports its memory and every function. */
function assemble(routines: readonly Routine[]): Uint8Array<ArrayBuffer> {
  const types = routines.map(({ parameters }) => [0x60, ...vector(Array(parameters).fill([I32])), 0])
  const exports = routines.map(({ name }, at) => [...text(name), 0, at])
  const bodies = routines.map(({ locals, body }) => {
    const declared = vector(locals.map((type) => [1, type]))
    const code = [...declared, ...body, 0x0b]
    return [...unsigned(code.length), ...code]
  })
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector(types)),
    ...section(3, vector(routines.map((_, at) => [at]))),
    ...section(5, [1, 0, 1]),
    ...section(7, vector([[...text('memory'), 2, 0], ...exports])),
    ...section(10, vector(bodies)),
  ])
}

const section = (id: number, content: Code): Code => [id, ...unsigned(content.length), ...content]
const vector = (items: readonly Code[]): Code => [...unsigned(items.length), ...items.flat()]
const text = (name: string): Code => [name.length, ...Array.from(name, (letter) => letter.charCodeAt(0))]

/** LEB128 of a number from 0. */
function unsigned(value: number): Code {
  return value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)]
}

/** LEB128 of a number from -64 up. */
function signed(value: number): Code {
  return value < 64 ? [value & 127] : [(value & 127) | 128, ...signed(value >> 7)]
}
