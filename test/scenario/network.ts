import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const PROGRAM = new URL('../../src/cli/main.ts', import.meta.url).pathname

/** What a command said and how it ended. */
export interface Said {
  exit: number | null
  /** Events of `--json`, the result last. */
  events: Record<string, unknown>[]
  result: Record<string, unknown>
  stderr: string
}

/** A local network in a folder of its own, driven by the command line only. */
export class TestNetwork {
  readonly dir = mkdtempSync(join(tmpdir(), 'xcare-scenario-'))

  /** A path inside the scratch folder, outside the network's. */
  path(name: string): string {
    return join(this.dir, name)
  }

  get root(): string {
    return join(this.dir, 'network')
  }

  /** Runs `xcare ARGS --json --dir ROOT` to its end. */
  run(...args: string[]): Promise<Said> {
    return xcare([...args, '--dir', this.root])
  }

  /**
   * Runs a command again as long as it ends with an error that may pass: a busy machine is late, and loses
   * nothing.
   */
  async runPatiently(...args: string[]): Promise<Said> {
    for (;;) {
      const said = await this.run(...args)
      if (said.result.ok || said.result.retryable !== true) return said
    }
  }

  /** Process number of one part, from its own run file. */
  pidOf(part: string): number {
    return JSON.parse(readFileSync(join(this.root, part, 'run.json'), 'utf8')).pid
  }

  /** Ends a part as a power cut would. */
  kill(part: string): void {
    process.kill(this.pidOf(part), 'SIGKILL')
  }

  /** Starts a part again as an operator would, and resolves when it serves. */
  async restart(part: string): Promise<void> {
    const kind = part.startsWith('nodes/') ? 'node' : part.startsWith('guardians/') ? 'guardian' : 'anchor'
    const child = spawn(process.execPath, [PROGRAM, kind, 'run', '--dir', join(this.root, part)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    })
    child.unref()
    for await (const line of child.stdout) if (String(line).includes('"ready"')) break
    child.stdout.destroy()
  }

  async end(): Promise<void> {
    await this.run('down')
    rmSync(this.dir, { recursive: true, force: true })
  }
}

/** Runs one command with `--json`. */
export async function xcare(args: string[]): Promise<Said> {
  const child = spawn(process.execPath, [PROGRAM, ...args, '--json'], { stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text
  })
  const exit = await new Promise<number | null>((resolve) => child.once('close', resolve))
  const events = stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
  return { exit, events, result: events.at(-1) ?? {}, stderr }
}
