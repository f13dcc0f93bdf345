/** @returns a bitmap of `length` zero bits, least significant first. */
export function emptyBitmap(length: number): Uint8Array {
  return new Uint8Array(Math.ceil(length / 8))
}

/** @returns whether bit `at` is set. */
export function hasBit(bitmap: Uint8Array, at: number): boolean {
  return ((bitmap[at >> 3]! >> (at & 7)) & 1) === 1
}

/** Sets bit `at`. */
export function setBit(bitmap: Uint8Array, at: number): void {
  bitmap[at >> 3]! |= 1 << (at & 7)
}

/** Clears bit `at`. */
export function clearBit(bitmap: Uint8Array, at: number): void {
  bitmap[at >> 3]! &= ~(1 << (at & 7))
}
