import { fromUtf8 } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import type { JsonObject } from '../comet/json.ts'

/** Codes of JSON-RPC 2.0. */
export const RPC_CODE = {
  parse: -32700,
  request: -32600,
  method: -32601,
  params: -32602,
  internal: -32603,
} as const

/** Requests in one body, at most. */
const BATCH_MAX = 32

/** A failed call: goes back to the caller as a JSON-RPC error. `data` is the sentence that clients read. */
export class RpcFault {
  readonly code: number
  readonly data: string

  constructor(code: number, data: string) {
    this.code = code
    this.data = data
  }
}

/** Parameters of one call by name. */
export type Params = Record<string, unknown>

/**
 * Who calls: `sender` is whose share of the waiting transactions it is, `signal` ends when nobody waits for
 * the answer any more.
 */
export interface Caller {
  sender: string
  signal: AbortSignal
}

/** Serves one method. @throws RpcFault */
export type Method = (params: Params, caller: Caller) => JsonObject | Promise<JsonObject>

/** A method and the names of its parameters, in the order of positional calls. */
export interface MethodEntry {
  names: readonly string[]
  run: Method
  /**
   * Whether it changes something: then only a POST may call it, which no link and no image of a page can
   * make.
   */
  changes?: boolean
}

/** All methods by name. */
export type Methods = ReadonlyMap<string, MethodEntry>

type Id = string | number

/**
 * Answers the body of a POST.
 * @returns the JSON text, null when only notifications came. `status` is 500 for what is not JSON, as upstream does.
 */
export async function answerBody(
  methods: Methods,
  body: Uint8Array,
  caller: Caller,
): Promise<{ status: number; text: string | null }> {
  let parsed: unknown
  try {
    parsed = JSON.parse(fromUtf8(body))
  } catch {
    return {
      status: 500,
      text: JSON.stringify(failure(-1, new RpcFault(RPC_CODE.parse, 'the body is not JSON'))),
    }
  }
  if (!Array.isArray(parsed)) {
    const answer = await answerOne(methods, parsed, caller)
    return { status: 200, text: answer && JSON.stringify(answer) }
  }
  if (parsed.length === 0 || parsed.length > BATCH_MAX)
    return {
      status: 200,
      text: JSON.stringify(
        failure(-1, new RpcFault(RPC_CODE.request, `a batch has 1 to ${BATCH_MAX} requests`)),
      ),
    }
  const answers = await Promise.all(parsed.map((each) => answerOne(methods, each, caller)))
  const present = answers.filter((answer) => answer !== null)
  return { status: 200, text: present.length === 0 ? null : JSON.stringify(present) }
}

/** Answers GET /method?name=value. Values are JSON: text in double quotes, numbers and true or false bare, bytes as 0x hex. */
export async function answerGet(
  methods: Methods,
  name: string,
  search: URLSearchParams,
  caller: Caller,
): Promise<{ status: number; text: string }> {
  const params: Params = {}
  for (const [key, value] of search) params[key] = uriValue(value)
  if (methods.get(name)?.changes) {
    const problem = new RpcFault(RPC_CODE.request, 'what changes the chain is sent by POST')
    return { status: 405, text: JSON.stringify(failure(-1, problem)) }
  }
  const answer = await call(methods, -1, name, params, caller)
  return { status: 'error' in answer ? 500 : 200, text: JSON.stringify(answer) }
}

async function answerOne(methods: Methods, request: unknown, caller: Caller): Promise<JsonObject | null> {
  if (typeof request !== 'object' || request === null || Array.isArray(request))
    return failure(-1, new RpcFault(RPC_CODE.request, 'a request is a JSON object'))
  const { id, method, params } = request as Record<string, unknown>
  // A request without id is a notification: upstream neither runs nor answers it.
  if (id === undefined || id === null) return null
  if ((typeof id !== 'string' && typeof id !== 'number') || typeof method !== 'string')
    return failure(-1, new RpcFault(RPC_CODE.request, 'a request has an id and a method'))
  return call(methods, id, method, params ?? {}, caller)
}

async function call(
  methods: Methods,
  id: Id,
  name: string,
  params: unknown,
  caller: Caller,
): Promise<JsonObject> {
  const entry = methods.get(name)
  if (!entry) return failure(id, new RpcFault(RPC_CODE.method, `there is no method "${name.slice(0, 60)}"`))
  try {
    return { jsonrpc: '2.0', id, result: await entry.run(byName(entry, params), caller) }
  } catch (error) {
    return failure(id, error instanceof RpcFault ? error : fault(error))
  }
}

function byName({ names }: MethodEntry, params: unknown): Params {
  if (Array.isArray(params))
    return Object.fromEntries(params.slice(0, names.length).map((value, at) => [names[at], value]))
  if (typeof params === 'object' && params !== null) return params as Params
  throw new RpcFault(RPC_CODE.params, 'the parameters are neither an object nor a list')
}

// Never tells the caller more than our own sentences.
function fault(error: unknown): RpcFault {
  if (error instanceof XcareError && error.code === 'MALFORMED')
    return new RpcFault(RPC_CODE.params, error.message)
  return new RpcFault(RPC_CODE.internal, error instanceof XcareError ? error.message : 'the call failed')
}

const MESSAGES: Record<number, string> = {
  [RPC_CODE.parse]: 'Parse error. Invalid JSON',
  [RPC_CODE.request]: 'Invalid Request',
  [RPC_CODE.method]: 'Method not found',
  [RPC_CODE.params]: 'Invalid params',
  [RPC_CODE.internal]: 'Internal error',
}

function failure(id: Id, { code, data }: RpcFault): JsonObject {
  return { jsonrpc: '2.0', id, error: { code, message: MESSAGES[code] ?? 'Server error', data } }
}

function uriValue(value: string): unknown {
  if (value.startsWith('0x')) return { hex: value.slice(2) }
  try {
    return JSON.parse(value)
  } catch {
    return value
  }
}
