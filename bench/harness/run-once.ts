import { execFile } from 'node:child_process'

/** Runs a program that prints one JSON object. @throws Error with its last words when it fails or takes too long. */
export function runOnce(command: readonly string[], deadlineMs: number): Promise<Record<string, unknown>> {
  const [file, ...args] = command
  return new Promise((resolve, reject) => {
    execFile(file!, args, { timeout: deadlineMs, killSignal: 'SIGKILL' }, (error, stdout, stderr) => {
      if (!error) return resolve(JSON.parse(stdout))
      const words = stderr
        .trim()
        .split('\n')
        .filter((line) => /error|panic/i.test(line))
      reject(new Error(error.killed ? `no answer in ${deadlineMs / 1000} s` : (words[0] ?? error.message)))
    })
  })
}
