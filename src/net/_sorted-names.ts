/** Names in one piece of memory, at most: a name that comes in moves half of them. */
const BUCKET_MAX = 512

/** Names in order, of which tens of thousands come and go one by one. */
export class SortedNames {
  /** None of them empty; the names of each come before those of the next. */
  readonly #buckets: string[][] = []

  /** Adds a name that is not there yet. */
  add(name: string): void {
    const at = this.#bucketOf(name)
    const bucket = this.#buckets[at]
    if (!bucket) {
      this.#buckets.push([name])
      return
    }
    bucket.splice(lowerBound(bucket, name), 0, name)
    if (bucket.length > BUCKET_MAX) this.#buckets.splice(at + 1, 0, bucket.splice(BUCKET_MAX / 2))
  }

  /** Removes a name that is there. */
  remove(name: string): void {
    const at = this.#bucketOf(name)
    const bucket = this.#buckets[at]!
    bucket.splice(lowerBound(bucket, name), 1)
    if (bucket.length === 0) this.#buckets.splice(at, 1)
  }

  /** @returns those that begin with `prefix`, in order: a copy, so that names may come and go while it is looked through. */
  startingWith(prefix: string): string[] {
    const found: string[] = []
    for (let at = this.#bucketOf(prefix); at < this.#buckets.length; at++) {
      const bucket = this.#buckets[at]!
      const start = lowerBound(bucket, prefix)
      let end = start
      while (end < bucket.length && bucket[end]!.startsWith(prefix)) end++
      for (let next = start; next < end; next++) found.push(bucket[next]!)
      if (end < bucket.length) break
    }
    return found
  }

  /** @returns place of the last bucket that does not begin behind `name`; the first one when all do. */
  #bucketOf(name: string): number {
    let low = 0
    let high = this.#buckets.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#buckets[middle]![0]! <= name) low = middle + 1
      else high = middle
    }
    return Math.max(0, low - 1)
  }
}

function lowerBound(sorted: readonly string[], name: string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (sorted[middle]! < name) low = middle + 1
    else high = middle
  }
  return low
}
