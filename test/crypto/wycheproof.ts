import { readFileSync } from 'node:fs'
import { shared } from '../shared-data.ts'

/** Folder of the Wycheproof files, or null where the shared data is absent. */
export const wycheproof = shared('vectors/wycheproof')

/** One test case; byte fields are hex. */
export type Case<Fields extends string> = Record<Fields, string> & {
  tcId: number
  result: 'valid' | 'invalid' | 'acceptable'
  flags: string[]
}

/** @returns the groups of `name_test.json` with their cases. */
export function groupsOf<Fields extends string, Group = object>(
  name: string,
): (Group & { tests: Case<Fields>[] })[] {
  return JSON.parse(readFileSync(`${wycheproof}/${name}_test.json`, 'utf8')).testGroups
}
