import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const ROOT = resolve(import.meta.dirname, '../..')
const PROGRAM = join(ROOT, 'src/cli/main.ts')

/** What a command said on both of its outputs, and how it ended. */
export interface Said {
  exit: number | null
  stdout: string
  stderr: string
  /** Last line of `--json`, or null. */
  result: Record<string, unknown> | null
}

/** Where outputs go that nobody here reads: a file descriptor, or a pipe whose reader is gone. */
export interface Elsewhere {
  stdout?: number | 'unread'
  stderr?: number
}

/** Runs `xcare ARGS` as a process of its own, without a terminal, in the folder `cwd`. */
export async function xcare(
  args: string[],
  cwd: string = tmpdir(),
  elsewhere: Elsewhere = {},
): Promise<Said> {
  const { XCARE_DIR, XCARE_WALLET, XCARE_DEBUG, ...env } = process.env
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    cwd,
    stdio: [
      'ignore',
      typeof elsewhere.stdout === 'number' ? elsewhere.stdout : 'pipe',
      elsewhere.stderr ?? 'pipe',
    ],
    env: { ...env, NODE_COMPILE_CACHE: join(ROOT, 'node_modules/.cache/compiled') },
  })
  const said = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      said[name] += text
    })
  if (elsewhere.stdout === 'unread') child.stdout?.destroy()
  const exit = await new Promise<number | null>((done) => child.once('close', done))
  return { exit, ...said, result: lastEvent(said.stdout) }
}

function lastEvent(stdout: string): Said['result'] {
  const line = stdout.trimEnd().split('\n').at(-1) ?? ''
  return line.startsWith('{') ? JSON.parse(line) : null
}

/** A folder of a network that was set up once and of which nothing runs. */
export class QuietNetwork {
  readonly dir = mkdtempSync(join(tmpdir(), 'xcare-cli-'))
  readonly root = join(this.dir, 'network')

  /** @param rpc where the chain would answer; unless given, nobody listens there. */
  constructor(rpc = 'http://127.0.0.1:1') {
    mkdirSync(this.root)
    const trust = { height: 1, hash: '00'.repeat(32) }
    const network = { network: 'xcare-test', rpc: [rpc], trust, bootstrap: [] }
    writeFileSync(join(this.root, 'network.json'), JSON.stringify(network))
  }

  /** Runs `xcare ARGS` on this network, in its scratch folder. */
  run(...args: string[]): Promise<Said> {
    return xcare([...args, '--dir', this.root], this.dir)
  }

  /** As run, with outputs that go elsewhere. */
  runInto(elsewhere: Elsewhere, ...args: string[]): Promise<Said> {
    return xcare([...args, '--dir', this.root], this.dir, elsewhere)
  }

  /** Writes a file into the scratch folder. @returns its path. */
  file(name: string, content: string | Uint8Array): string {
    const path = join(this.dir, name)
    writeFileSync(path, content)
    return path
  }

  end(): void {
    rmSync(this.dir, { recursive: true, force: true })
  }
}

/** @returns whether a text shows where in the program something happened. */
export function showsStack(text: string): boolean {
  return /^\s+at .+[:)]\d*|node:internal|\bError:/m.test(text)
}
