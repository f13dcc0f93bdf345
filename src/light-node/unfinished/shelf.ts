/**
 * Where puts under way are noted. Each file is used by one process at a time; the system lets it go when that
 * process ends.
 */
export interface Shelf {
  /** Names of all files, in use or not. */
  list(): Promise<string[]>
  /** @returns the file for ourselves, or null while somebody uses it, or when it is gone. */
  take(name: string): Promise<ShelfFile | null>
  /** @returns a new file, for ourselves. */
  begin(): Promise<ShelfFile>
}

/** A file of a shelf that is ours until it is removed or left. */
export interface ShelfFile {
  readonly name: string
  /** Null while it is new. */
  read(): Promise<Uint8Array | null>
  /** Replaces the content, all or nothing. Durable when it resolves. */
  write(content: Uint8Array): Promise<void>
  /** Removes it and lets it go. */
  remove(): Promise<void>
  /** Lets it go as it is. */
  leave(): void
}
