import { spawn } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Tool } from './catalogue.ts'
import { benchFile } from './program.ts'

const MINUTE_MS = 60_000
const WORDS_MAX = 160
/** Modules are built as they were released: inside their own source, with their own lock file. */
const GO_MODULES = {
  kubo: { module: 'github.com/ipfs/kubo@v0.42.0', main: './cmd/ipfs', program: 'ipfs' },
  minio: {
    module: 'github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c',
    main: '.',
    program: 'minio',
  },
}
const ISAL_PACKAGES = ['libisal-dev', 'libisal2']
const COMPILE = ['-O3', '-o']

interface Installer {
  /** A file that is there once the tool can be used. */
  proof(tools: string): string
  install(tools: string, run: Run): Promise<void>
  deadlineMs: number
}

/** Runs a command to its end. @returns its output. @throws Error with its last words, or when the tool's time is up. */
type Run = (command: string, args: string[], cwd: string) => Promise<string>

const goModule = ({ module, main, program }: (typeof GO_MODULES)['kubo']): Installer => ({
  proof: (tools) => join(tools, program),
  deadlineMs: 10 * MINUTE_MS,
  install: async (tools, run) => {
    const { Dir } = JSON.parse(await run('go', ['mod', 'download', '-json', module], tools)) as {
      Dir: string
    }
    const source = join(tools, `${program}-source`)
    cpSync(Dir, source, { recursive: true })
    await run('chmod', ['-R', 'u+w', source], tools)
    await run('go', ['build', '-o', join(tools, program), main], source)
    rmSync(source, { recursive: true, force: true })
  },
})

const INSTALLERS: Record<Tool, Installer> = {
  packages: {
    proof: () => benchFile('node_modules/.package-lock.json'),
    deadlineMs: 8 * MINUTE_MS,
    install: async (_, run) => {
      await run('npm', ['ci', '--ignore-scripts'], benchFile('.'))
    },
  },
  kubo: goModule(GO_MODULES.kubo),
  minio: goModule(GO_MODULES.minio),
  python: {
    proof: (tools) => join(tools, 'python', 'bin', 'tahoe'),
    deadlineMs: 8 * MINUTE_MS,
    install: async (tools, run) => {
      const folder = join(tools, 'python')
      await run('python3', ['-m', 'venv', folder], tools)
      const pip = ['-m', 'pip', 'install', '--quiet', '--requirement', benchFile('requirements.txt')]
      await run(join(folder, 'bin', 'python'), pip, tools)
    },
  },
  isal: { proof: (tools) => join(tools, 'isal-kernel'), deadlineMs: 2 * MINUTE_MS, install: installIsal },
}

/** The library of the machine if it is there, else the distribution's packages unpacked beside us: no rights needed. */
async function installIsal(tools: string, run: Run): Promise<void> {
  const compile = [benchFile('kernels/isal.c'), ...COMPILE, join(tools, 'isal-kernel')]
  try {
    await run('cc', [...compile, '-lisal'], tools)
    return
  } catch {
    await run('apt-get', ['download', ...ISAL_PACKAGES], tools)
  }
  const root = join(tools, 'isal')
  for (const file of globSync('libisal*.deb', { cwd: tools })) await run('dpkg', ['-x', file, root], tools)
  const [library] = globSync(join(root, 'usr/lib/*/libisal.so'))
  if (!library) throw new Error('the package has no libisal.so')
  const folder = join(library, '..')
  await run(
    'cc',
    [...compile, `-I${join(root, 'usr/include')}`, `-L${folder}`, `-Wl,-rpath,${folder}`, '-lisal'],
    tools,
  )
}

/** Installs what of `wanted` is not there yet and keeps the reasons of what could not be. */
export async function install(
  wanted: readonly Tool[],
  tools: string,
  tell: (text: string) => void,
): Promise<void> {
  mkdirSync(tools, { recursive: true })
  const reasons = readReasons(tools)
  for (const tool of wanted) {
    const { proof, install: begin, deadlineMs } = INSTALLERS[tool]
    if (existsSync(proof(tools))) continue
    tell(`installing ${tool}`)
    try {
      await begin(tools, runUntil(AbortSignal.timeout(deadlineMs)))
      delete reasons[tool]
    } catch (error) {
      reasons[tool] = error instanceof Error ? error.message : String(error)
      tell(`could not install ${tool}: ${reasons[tool]}`)
    }
  }
  writeFileSync(join(tools, 'absent.json'), JSON.stringify(reasons, null, 2))
}

/** @returns why `tool` cannot be used, or null when it can. */
export function absenceOf(tool: Tool, tools: string): string | null {
  if (existsSync(INSTALLERS[tool].proof(tools))) return null
  const reason = readReasons(tools)[tool]
  return reason ? `could not be installed: ${reason}` : 'not installed; run with --install'
}

function readReasons(tools: string): Partial<Record<Tool, string>> {
  const path = join(tools, 'absent.json')
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {}
}

function runUntil(signal: AbortSignal): Run {
  return async (command, args, cwd) => {
    const child = spawn(command, args, { cwd, signal, stdio: ['ignore', 'pipe', 'pipe'] })
    const output: Buffer[] = []
    const words: Buffer[] = []
    child.stdout.on('data', (piece) => output.push(piece))
    child.stderr.on('data', (piece) => words.push(piece))
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', (error: NodeJS.ErrnoException) => {
        const missing = error.code === 'ENOENT' ? `there is no ${command} on this machine` : error.message
        reject(new Error(signal.aborted ? `${command} took too long` : missing))
      })
      child.once('close', resolve)
    })
    if (code === 0) return Buffer.concat(output).toString()
    const [last = ''] = Buffer.concat([...output, ...words])
      .toString()
      .trim()
      .split('\n')
      .slice(-1)
    throw new Error(`${command} ${args[0]} ended with ${code}: ${last.trim().slice(0, WORDS_MAX)}`)
  }
}
