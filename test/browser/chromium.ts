import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A Chromium of this machine, if there is one. */
export const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  existsSync,
)
const OPTIONS = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-sync']
const QUIET = ['--disable-background-networking', '--disable-component-update', '--disable-quic']

/** Opens `address` in a browser of its own, and ends it with all it stored when `told` is there. @returns what `told` resolves with. */
export async function inChromium<T>(address: string, told: PromiseWithResolvers<T>): Promise<T> {
  const profile = mkdtempSync(join(tmpdir(), 'xcare-chromium-'))
  const options = [...OPTIONS, ...QUIET, `--user-data-dir=${profile}`, '--remote-debugging-port=0']
  const browser: ChildProcess = spawn(CHROMIUM!, [...options, address], { stdio: 'ignore', detached: true })
  browser.once('error', told.reject)
  browser.once('exit', (code) => told.reject(new Error(`the browser ended with ${code}`)))
  try {
    return await told.promise
  } finally {
    browser.removeAllListeners('exit')
    const ended = new Promise((resolve) => browser.once('exit', resolve))
    process.kill(-browser.pid!, 'SIGKILL')
    await ended
    rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  }
}
