import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { Agent, type IncomingMessage, request } from 'node:http'
import { request as requestOverTls, Agent as TlsAgent } from 'node:https'
import net from 'node:net'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import type { Sink } from './serve.ts'

const READY_MS = 120_000
const READY_STEP_MS = 100
const STOP_MS = 10_000
const REQUEST_MS = 280_000
const SMALL_ANSWER_BYTES_MAX = 1 << 20
const WORDS_MAX = 160
const SLICE_BYTES = 256 * 1024

/** How many requests for small records are under way at a time, for every system that takes them one by one. */
export const RECORDS_IN_FLIGHT = 16

const pool = { keepAlive: true, maxSockets: RECORDS_IN_FLIGHT }
const agent = new Agent(pool)
const tlsAgent = new TlsAgent(pool)
const runFile = promisify(execFile)

/** A foreign server in a process of its own. */
export interface Daemon {
  /** Whether it still runs. */
  isAlive(): boolean
  stop(): Promise<void>
}

/** Starts `command` with its output in the file `log`. */
export function startDaemon(
  command: string,
  args: string[],
  options: { log: string; env?: Record<string, string> },
): Daemon {
  const log = openSync(options.log, 'a')
  const child = spawn(command, args, { stdio: ['ignore', log, log], env: { ...process.env, ...options.env } })
  closeSync(log)
  child.on('error', () => {})
  return { isAlive: () => child.exitCode === null && child.signalCode === null, stop: () => stop(child) }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  child.kill('SIGTERM')
  await once(child, 'exit')
  clearTimeout(timer)
}

/** Runs a command of the system to its end. @returns what it printed. @throws Error when it fails. */
export async function runCommand(
  command: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<string> {
  const { stdout } = await runFile(command, args, { env: { ...process.env, ...env }, timeout: READY_MS })
  return stdout.trim()
}

/** Waits until `isReady` answers true; what it throws means not yet. @throws Error after two minutes, or when a daemon has ended. */
export async function untilReady(
  what: string,
  daemons: Daemon[],
  isReady: () => Promise<boolean>,
): Promise<void> {
  for (let waited = 0; waited < READY_MS; waited += READY_STEP_MS) {
    if (daemons.some((daemon) => !daemon.isAlive())) throw new Error(`${what} ended while it started`)
    if (await isReady().catch(() => false)) return
    await new Promise((resolve) => setTimeout(resolve, READY_STEP_MS))
  }
  throw new Error(`${what} was not ready after ${READY_MS / 1000} s`)
}

/** @returns a port on loopback that nobody uses now. */
export async function freePort(): Promise<number> {
  return (await freePorts(1))[0]!
}

/** @returns `count` different ports on loopback that nobody uses now. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => net.createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port)
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}

/** One request to a daemon. */
export interface Call {
  method: string
  url: string
  headers?: Record<string, string>
  /** Parts of the body, sent in order. */
  body?: Uint8Array[]
  /** The one certificate, PEM, that a daemon on https may show. */
  certificate?: string
}

/** Sends a request and hands the body of the answer to `sink`. @throws Error unless the answer is one of success. */
export async function fetchInto(call: Call, sink: Pick<Sink, 'push'>): Promise<void> {
  const answer = await send(call)
  const isGood = answer.statusCode! >= 200 && answer.statusCode! < 300
  const words: Uint8Array[] = []
  for await (const piece of answer as AsyncIterable<Buffer>) {
    if (isGood) sink.push(piece)
    else words.push(piece)
  }
  if (isGood) return
  // The last words of a page of HTML or of a trace are those that say what went wrong.
  const text = Buffer.concat(words)
    .toString()
    .replace(/<[^>]*>|\s+/g, ' ')
    .trim()
  throw new Error(`${call.method} was answered with ${answer.statusCode}: ${text.slice(-WORDS_MAX)}`)
}

/** As `fetchInto`, for a small answer. @returns its body. */
export async function fetchSmall(call: Call): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  let length = 0
  const push = (piece: Uint8Array) => {
    length += piece.length
    if (length > SMALL_ANSWER_BYTES_MAX) throw new Error('the answer is too long')
    pieces.push(piece)
  }
  await fetchInto(call, { push })
  return Buffer.concat(pieces)
}

async function send({ method, url, headers = {}, body = [], certificate }: Call): Promise<IncomingMessage> {
  const length = body.reduce((sum, part) => sum + part.length, 0)
  const options = {
    method,
    headers: { ...headers, 'content-length': String(length) },
    signal: AbortSignal.timeout(REQUEST_MS),
  }
  const outgoing = url.startsWith('https:')
    ? requestOverTls(url, { ...options, agent: tlsAgent, ca: certificate })
    : request(url, { ...options, agent })
  const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>
  Readable.from(slices(body)).pipe(outgoing)
  return (await answered)[0]
}

/** TLS of Node encrypts all of a write before it sends any of it: in slices, both go on together. */
function* slices(parts: Uint8Array[]): Generator<Uint8Array> {
  for (const part of parts)
    for (let at = 0; at < part.length; at += SLICE_BYTES) yield part.subarray(at, at + SLICE_BYTES)
}
