import type { VaultLoss } from './vault-entry.ts'

/** What can be done about a list that lost entries. */
export const LOSS_NEXT = 'bring them back from a backup: `npx xcare wallet restore FILE --merge`'

/** @returns a sentence about what a wallet lost, for people. */
export function lossWords({ entries, unknown }: VaultLoss): string {
  const which = 'entries of this wallet cannot be read any more: records, keys and permissions may be missing'
  if (unknown) return `an unknown number of ${which}`
  return entries === 1 ? `1 of the ${which}` : `${entries} ${which}`
}
