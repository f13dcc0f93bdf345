import { type BoundKind, isBoundTo } from '../../../identity/bound-id.ts'
import type { BlockContext } from '../context.ts'
import { refuse, type Verdict } from '../refusal.ts'

/** First version of the rules under which a new name must follow from the key that uses it. */
const BOUND_SINCE = 2

/**
 * Refuses a new name that belongs to another key, whoever came first.
 * @param id of an object or grant that the state does not know yet.
 */
export function checkNewName(
  { rules }: BlockContext,
  kind: BoundKind,
  id: Uint8Array,
  key: Uint8Array,
): Verdict {
  if (rules < BOUND_SINCE || isBoundTo(kind, id, key)) return null
  return refuse('unauthorised', `The name of this ${kind} does not follow from the key that uses it.`)
}
