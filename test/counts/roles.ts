import { AsyncLocalStorage } from 'node:async_hooks'
import { countCrypto, countTransactions, emptyTally, type Kind, type Tally } from './tally.ts'

/** Whose work is done: a role stays with the code it was given to, through every wait. `wire` is the network in memory. */
export type Role = 'client' | 'node' | 'guardian' | 'wire'

/** Buffers from this size on are counted one by one: fragments and stripes are, headers are not. */
const LARGE_BYTES = 32 * 1024

const current = new AsyncLocalStorage<Role>()
const tallies = new Map<Role, Tally>()

/** Runs `work` as `role`. */
export function as<T>(role: Role, work: () => T): T {
  return current.run(role, work)
}

/** @returns what was done as `role` since the last `reset`. */
export function tallyOf(role: Role): Tally {
  const known = tallies.get(role) ?? emptyTally()
  tallies.set(role, known)
  return known
}

/** Forgets all counts. */
export function reset(): void {
  tallies.clear()
}

function add(kind: Kind, amount: number): void {
  const role = current.getStore()
  if (role) tallyOf(role)[kind] += amount
}

countCrypto(add)
countTransactions(add)

type Bytes = ArrayLike<number> & { byteLength: number }

/** Runs `work` while every byte that JavaScript copies, and every buffer that it makes, is counted. */
export async function countingCopies<T>(work: () => Promise<T>): Promise<T> {
  const undo = [...countMethods(), countBuffers()]
  try {
    return await work()
  } finally {
    for (const step of undo) step()
  }
}

function countMethods(): (() => void)[] {
  const typed = Object.getPrototypeOf(Uint8Array.prototype) as Uint8Array
  return [
    wrapped(typed, 'set', (_, [source]) => copied((source as unknown as Bytes).byteLength ?? 0)),
    wrapped(typed, 'slice', (result) => made((result as Uint8Array).byteLength, true)),
    wrapped(typed, 'copyWithin', (result) => copied((result as Uint8Array).byteLength)),
    wrapped(Buffer.prototype, 'copy', (result) => copied(result as number)),
    wrapped(Buffer, 'concat', (result) => made((result as Uint8Array).byteLength, true)),
    wrapped(Buffer, 'alloc', (result) => made((result as Uint8Array).byteLength, false)),
    wrapped(Buffer, 'from', (result, [source]) => {
      if (ArrayBuffer.isView(source)) made((result as Uint8Array).byteLength, true)
    }),
  ]
}

function wrapped<O extends object, K extends keyof O>(
  owner: O,
  name: K,
  note: (result: unknown, args: unknown[]) => void,
): () => void {
  const known = owner[name] as unknown as (...args: unknown[]) => unknown
  const hadOwn = Object.hasOwn(owner, name)
  const counting = function (this: unknown, ...args: unknown[]) {
    const result = known.apply(this, args)
    note(result, args)
    return result
  }
  Object.defineProperty(owner, name, { value: counting, configurable: true, writable: true })
  return () => {
    if (hadOwn) Object.defineProperty(owner, name, { value: known, configurable: true, writable: true })
    else delete owner[name]
  }
}

/** `new Uint8Array` with a length makes a buffer, with an array it copies, with a buffer it does neither. */
function countBuffers(): () => void {
  const known = globalThis.Uint8Array
  const counting = new Proxy(known, {
    construct(target, args: unknown[], newTarget) {
      const result = Reflect.construct(target, args, newTarget) as Uint8Array
      const [source] = args
      if (typeof source === 'number') made(result.byteLength, false)
      else if (ArrayBuffer.isView(source) || Array.isArray(source)) made(result.byteLength, true)
      return result
    },
  })
  const install = (type: Uint8ArrayConstructor) => {
    globalThis.Uint8Array = type
    // Some libraries ask a value for its constructor instead of its type.
    Object.defineProperty(known.prototype, 'constructor', { value: type, configurable: true, writable: true })
  }
  install(counting)
  return () => install(known)
}

function made(length: number, isCopy: boolean): void {
  add('allocatedBytes', length)
  if (length >= LARGE_BYTES) add('largeBuffers', 1)
  if (isCopy) copied(length)
}

function copied(length: number): void {
  add('copiedBytes', length)
}
