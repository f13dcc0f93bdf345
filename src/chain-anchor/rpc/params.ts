import { fromHex } from '../../bytes.ts'
import { fromBase64 } from '../comet/base64.ts'
import { type Params, RPC_CODE, RpcFault } from './json-rpc.ts'

/** @returns a whole number given as number or decimal text, or `fallback` when it is missing. @throws RpcFault */
export function intParam(params: Params, name: string, fallback: number): number {
  const value = params[name]
  if (value === undefined || value === null || value === '') return fallback
  const number = typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value
  if (!Number.isSafeInteger(number)) throw new RpcFault(RPC_CODE.params, `${name} is not a whole number`)
  return number as number
}

/** @returns a flag; missing is false. @throws RpcFault */
export function boolParam(params: Params, name: string): boolean {
  const value = params[name] ?? false
  if (typeof value !== 'boolean') throw new RpcFault(RPC_CODE.params, `${name} is neither true nor false`)
  return value
}

/** @returns a text of at most `max` characters; missing is empty. @throws RpcFault */
export function textParam(params: Params, name: string, max: number): string {
  const value = params[name] ?? ''
  if (typeof value !== 'string' || value.length > max)
    throw new RpcFault(RPC_CODE.params, `${name} is not a short text`)
  return value
}

/** @returns bytes given in `encoding`, or as 0x hex in a GET. @throws RpcFault when they are missing or longer than `max`. */
export function bytesParam(
  params: Params,
  name: string,
  encoding: 'hex' | 'base64',
  max: number,
): Uint8Array {
  const value = params[name]
  try {
    if (typeof value === 'string') {
      const bytes = encoding === 'hex' ? fromHex(value.slice(0, 2 * max + 2)) : fromBase64(value, max)
      if (bytes.length <= max) return bytes
    } else if (typeof value === 'object' && value !== null && 'hex' in value)
      return fromHex(String(value.hex).slice(0, 2 * max))
  } catch {
    // told below
  }
  throw new RpcFault(RPC_CODE.params, `${name} is not ${encoding} of at most ${max} bytes`)
}
