import { toHex } from '../../bytes.ts'
import { XcareError } from '../../errors.ts'
import { STATE_KEY_BYTES_MAX, TX_BYTES_MAX } from '../../limits.ts'
import type { QueryResponse, TxAnswer } from '../app/abci.ts'
import { APP_VERSION } from '../app/genesis.ts'
import { toBase64 } from '../comet/base64.ts'
import { blockIdToJson, commitToJson, headerToJson, type JsonObject, validatorToJson } from '../comet/json.ts'
import { timeToText } from '../comet/time.ts'
import { BLOCK_PROTOCOL } from '../comet/types.ts'
import type { Engine, StoredBlock, TxPlace } from '../engine/engine.ts'
import { type Caller, type MethodEntry, type Methods, type Params, RPC_CODE, RpcFault } from './json-rpc.ts'
import { boolParam, bytesParam, intParam, textParam } from './params.ts'

const PER_PAGE = 30
const PER_PAGE_MAX = 100
const P2P_PROTOCOL = 8
/** Clients choose their dialect by the first two numbers. */
const VERSION = '0.38.25-xcare'

/** The methods of CometBFT's RPC that light clients and wallets use, served from `engine`. Spec: docs/spec/chain-rpc.md. */
export function rpcMethods(engine: Engine, rpcAddress: () => string): Methods {
  const entry = (names: string[], run: MethodEntry['run']): MethodEntry => ({ names, run })
  const change = (run: MethodEntry['run']): MethodEntry => ({ names: ['tx'], run, changes: true })
  return new Map<string, MethodEntry>([
    ['health', entry([], () => ({}))],
    ['status', entry([], () => status(engine, rpcAddress()))],
    ['commit', entry(['height'], (params) => commit(engine, params))],
    [
      'header',
      entry(['height'], (params) => ({ header: headerToJson(blockAt(engine, params).block.header) })),
    ],
    ['validators', entry(['height', 'page', 'per_page'], (params) => validators(engine, params))],
    ['block', entry(['height'], (params) => blockToJson(blockAt(engine, params)))],
    ['tx', entry(['hash', 'prove'], (params) => findTx(engine, params))],
    ['abci_info', entry([], () => abciInfo(engine))],
    ['abci_query', entry(['path', 'data', 'height', 'prove'], (params) => abciQuery(engine, params))],
    ['broadcast_tx_async', change((params, caller) => broadcast(engine, params, caller))],
    ['broadcast_tx_sync', change((params, caller) => broadcast(engine, params, caller))],
    ['broadcast_tx_commit', change((params, caller) => broadcastCommit(engine, params, caller))],
  ])
}

function blockAt(engine: Engine, params: Params): StoredBlock {
  const newest = engine.height()
  const height = intParam(params, 'height', newest)
  // Light clients tell these cases apart by the words.
  if (height <= 0) throw new RpcFault(RPC_CODE.internal, `height must be greater than 0, but got ${height}`)
  if (height > newest)
    throw new RpcFault(
      RPC_CODE.internal,
      `height ${height} must be less than or equal to the current blockchain height ${newest}`,
    )
  const block = engine.block(height)
  if (!block) throw new RpcFault(RPC_CODE.internal, `height ${height} is not available, lowest height is 1`)
  return block
}

function status(engine: Engine, rpcAddress: string): JsonObject {
  const newest = blockAt(engine, {})
  const earliest = blockAt(engine, { height: 1 })
  const validator = newest.validators[0]
  return {
    node_info: {
      protocol_version: {
        p2p: String(P2P_PROTOCOL),
        block: String(BLOCK_PROTOCOL),
        app: String(APP_VERSION),
      },
      id: toHex(validator.address),
      listen_addr: rpcAddress,
      network: engine.chainId,
      version: VERSION,
      channels: '',
      moniker: 'anchor',
      other: { tx_index: 'on', rpc_address: rpcAddress },
    },
    sync_info: {
      latest_block_hash: hex(newest.id.hash),
      latest_app_hash: hex(newest.block.header.appHash),
      latest_block_height: String(newest.block.header.height),
      latest_block_time: timeToText(newest.block.header.time),
      earliest_block_hash: hex(earliest.id.hash),
      earliest_app_hash: hex(earliest.block.header.appHash),
      earliest_block_height: String(earliest.block.header.height),
      earliest_block_time: timeToText(earliest.block.header.time),
      catching_up: false,
    },
    validator_info: {
      address: hex(validator.address),
      pub_key: validatorToJson(validator).pub_key,
      voting_power: String(validator.power),
    },
    consensus: engine.consensus,
  }
}

function commit(engine: Engine, params: Params): JsonObject {
  const { block, commit } = blockAt(engine, params)
  const canonical = block.header.height < engine.height()
  return { signed_header: { header: headerToJson(block.header), commit: commitToJson(commit) }, canonical }
}

function validators(engine: Engine, params: Params): JsonObject {
  const { block, validators } = blockAt(engine, params)
  const perPage = Math.min(PER_PAGE_MAX, Math.max(1, intParam(params, 'per_page', PER_PAGE)))
  const pages = Math.max(1, Math.ceil(validators.length / perPage))
  const page = intParam(params, 'page', 1)
  if (page < 1 || page > pages)
    throw new RpcFault(RPC_CODE.internal, `page should be within [1, ${pages}] range, given ${page}`)
  const shown = validators.slice((page - 1) * perPage, page * perPage)
  return {
    block_height: String(block.header.height),
    validators: shown.map(validatorToJson),
    count: String(shown.length),
    total: String(validators.length),
  }
}

function blockToJson({ block, id }: StoredBlock): JsonObject {
  return {
    block_id: blockIdToJson(id),
    block: {
      header: headerToJson(block.header),
      data: { txs: block.txs.map(toBase64) },
      evidence: { evidence: [] },
      last_commit: commitToJson(block.lastCommit),
    },
  }
}

function abciInfo(engine: Engine): JsonObject {
  const { data, version, appVersion, lastBlockHeight, lastBlockAppHash } = engine.info()
  return {
    response: {
      data,
      version,
      app_version: String(appVersion),
      last_block_height: String(lastBlockHeight),
      last_block_app_hash: base64OrNull(lastBlockAppHash),
    },
  }
}

function abciQuery(engine: Engine, params: Params): JsonObject {
  const height = intParam(params, 'height', 0)
  if (height < 0) throw new RpcFault(RPC_CODE.internal, 'height cannot be negative')
  const answer = engine.query({
    path: textParam(params, 'path', 100),
    data: bytesParam(params, 'data', 'hex', STATE_KEY_BYTES_MAX),
    height,
    prove: boolParam(params, 'prove'),
  })
  return { response: queryToJson(answer) }
}

function queryToJson({ code, log, key, value, height, codespace, proofOps }: QueryResponse): JsonObject {
  const ops = proofOps?.map((op) => ({ type: op.type, key: toBase64(op.key), data: toBase64(op.data) }))
  return {
    code,
    log,
    info: '',
    index: '0',
    key: base64OrNull(key),
    value: base64OrNull(value),
    proofOps: ops ? { ops } : null,
    height: String(height),
    codespace,
  }
}

function broadcast(engine: Engine, params: Params, { sender }: Caller): JsonObject {
  const { answer, hash } = submit(engine, params, sender)
  const { code, data, log, codespace } = answer
  return { code, data: hex(data), log, codespace, hash: hex(hash) }
}

async function broadcastCommit(engine: Engine, params: Params, caller: Caller): Promise<JsonObject> {
  const { answer, hash } = submit(engine, params, caller.sender)
  // A transaction that is sent again, after a cut line or a crash, gets the answer it missed.
  const known = answer.code === 0 ? null : engine.find(hash)
  if (known) return committed(accepted, hash, known)
  if (answer.code !== 0) return committed(answer, hash, { height: 0, index: 0, result: accepted })
  return committed(answer, hash, await settled(engine, hash, caller.signal))
}

const accepted: TxAnswer = { code: 0, data: new Uint8Array(0), log: '', codespace: '' }

async function settled(engine: Engine, hash: Uint8Array, signal: AbortSignal): Promise<TxPlace> {
  try {
    return await engine.included(hash, signal)
  } catch (cause) {
    if (!signal.aborted) throw asFault(cause)
    throw new RpcFault(RPC_CODE.internal, `timed out waiting for tx to be included in a block`)
  }
}

function submit(engine: Engine, params: Params, sender: string) {
  try {
    return engine.submit(bytesParam(params, 'tx', 'base64', TX_BYTES_MAX), sender)
  } catch (cause) {
    throw asFault(cause)
  }
}

function asFault(cause: unknown): unknown {
  if (!(cause instanceof XcareError)) return cause
  if (cause.code === 'BUSY') return new RpcFault(RPC_CODE.internal, `mempool is full: ${cause.message}`)
  return cause.code === 'NO_SPACE' ? new RpcFault(RPC_CODE.internal, cause.message) : cause
}

function committed(check: TxAnswer, hash: Uint8Array, { height, result }: TxPlace): JsonObject {
  return { check_tx: txToJson(check), tx_result: txToJson(result), hash: hex(hash), height: String(height) }
}

function findTx(engine: Engine, params: Params): JsonObject {
  const hash = bytesParam(params, 'hash', 'base64', 32)
  const place = engine.find(hash)
  const block = place && engine.block(place.height)
  if (!place || !block) throw new RpcFault(RPC_CODE.internal, `tx (${hex(hash)}) not found`)
  const { height, index, result } = place
  return {
    hash: hex(hash),
    height: String(height),
    index,
    tx_result: txToJson(result),
    tx: toBase64(block.block.txs[index]),
  }
}

function txToJson({ code, data, log, codespace }: TxAnswer): JsonObject {
  return {
    code,
    data: base64OrNull(data),
    log,
    info: '',
    gas_wanted: '0',
    gas_used: '0',
    events: [],
    codespace,
  }
}

function base64OrNull(bytes: Uint8Array): string | null {
  return bytes.length === 0 ? null : toBase64(bytes)
}

function hex(bytes: Uint8Array): string {
  return toHex(bytes).toUpperCase()
}
