import { fromUtf8, utf8 } from '../bytes.ts'

/** Names of providers that are known to come again; forgotten when there are more. */
const PROVIDERS_SHARED = 4096

/**
 * Provider records of the DHT under names `<object>/<provider>`, as small as JavaScript makes them: those of one object together, the name of a
 * provider once for all, values as text of one byte a character.
 */
export class ProviderRecords {
  /** Provider, value, provider, value and so on. */
  readonly #byObject = new Map<string, readonly string[]>()
  readonly #providers = new Map<string, string>()
  /** Records of each provider. */
  readonly #byProvider = new Map<string, number>()
  #size = 0

  /** Records in all. */
  get size(): number {
    return this.#size
  }

  /** @returns whether there is a record of this name. */
  has(name: string): boolean {
    return placeOf(this.#recordsBeside(name), name) >= 0
  }

  /** @returns how many records there are of the object that `name` is about. */
  countBeside(name: string): number {
    return this.#recordsBeside(name).length / 2
  }

  /** @returns how many records the provider in `name` has in all. */
  countOf(name: string): number {
    return this.#byProvider.get(providerOf(name)) ?? 0
  }

  /** @returns the most records that one provider has, of those that `among` says. */
  most(among: (provider: string) => boolean): number {
    let most = 0
    for (const [provider, count] of this.#byProvider) if (count > most && among(provider)) most = count
    return most
  }

  /** Keeps a copy of `value`. */
  set(name: string, value: Uint8Array): void {
    const records = this.#recordsBeside(name)
    const at = placeOf(records, name)
    const text = String.fromCharCode(...value)
    if (at >= 0) this.#keep(name, records.with(at + 1, text))
    else {
      // A list of its very length: one that grows keeps room for as many again.
      const provider = this.#shared(providerOf(name))
      this.#keep(name, [...records, provider, text])
      this.#byProvider.set(provider, this.countOf(name) + 1)
      this.#size++
    }
  }

  /** @returns the value, or null. */
  get(name: string): Uint8Array | null {
    const records = this.#recordsBeside(name)
    const at = placeOf(records, name)
    return at < 0 ? null : Uint8Array.from(records[at + 1]!, (byte) => byte.charCodeAt(0))
  }

  /** Forgets `name` if it is there. */
  delete(name: string): void {
    const records = this.#recordsBeside(name)
    const at = placeOf(records, name)
    if (at < 0) return
    this.#size--
    const left = this.countOf(name) - 1
    if (left > 0) this.#byProvider.set(providerOf(name), left)
    else this.#byProvider.delete(providerOf(name))
    if (records.length > 2) this.#keep(name, records.toSpliced(at, 2))
    else this.#byObject.delete(objectOf(name))
  }

  /** @returns the names of all records of `object`. */
  of(object: string): string[] {
    const records = this.#byObject.get(object) ?? []
    return records.filter((_, at) => at % 2 === 0).map((provider) => `${object}/${provider}`)
  }

  /** All names. Records may come and go meanwhile. */
  *all(): Generator<string> {
    for (const object of [...this.#byObject.keys()]) yield* this.of(object)
  }

  #recordsBeside(name: string): readonly string[] {
    return this.#byObject.get(objectOf(name)) ?? []
  }

  #keep(name: string, records: readonly string[]): void {
    const object = objectOf(name)
    this.#byObject.set(this.#byObject.has(object) ? object : apart(object), records)
  }

  #shared(provider: string): string {
    const known = this.#providers.get(provider)
    if (known !== undefined) return known
    if (this.#providers.size === PROVIDERS_SHARED) this.#providers.clear()
    const own = apart(provider)
    this.#providers.set(own, own)
    return own
  }
}

function objectOf(name: string): string {
  return name.slice(0, name.lastIndexOf('/'))
}

/** @returns the provider in the name of a record. */
export function providerOf(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1)
}

function placeOf(records: readonly string[], name: string): number {
  const provider = providerOf(name)
  for (let at = 0; at < records.length; at += 2) if (records[at] === provider) return at
  return -1
}

/** A part of a text keeps the whole in memory; this one does not. */
function apart(part: string): string {
  return fromUtf8(utf8(part))
}
