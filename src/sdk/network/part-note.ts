import type { XcareError } from '../../errors.ts'
import type { Role } from '../roles/processes.ts'
import { partName } from './parts.ts'

/** A part that does not run, or runs otherwise than before: what that means and what to do about it. */
export interface PartNote {
  kind: Role['kind']
  name: string
  folder: string
  code: string
  message: string
  next: string | null
}

/** @returns what is to be told of a part that ended with an error. */
export function noteOf(
  role: Role,
  { code, message, next }: Pick<XcareError, 'message' | 'next'> & { code: string },
): PartNote {
  return { kind: role.kind, name: partName(role), folder: role.folder, code, message, next }
}
