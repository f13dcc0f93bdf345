import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import runtimeFlags from '../../src/sdk/roles/runtime-flags.json' with { type: 'json' }

const PROGRAM = 'bin/xcare.mjs'
/** Every Node that is started tells its flags first. */
const TELLING = '--import=data:text/javascript,console.error(JSON.stringify(process.execArgv))'

function flagsOf(...typed: string[]): string[] {
  const env = { ...process.env, NODE_OPTIONS: TELLING }
  const { stderr } = spawnSync(process.execPath, [PROGRAM, ...typed], { env, encoding: 'utf8' })
  return JSON.parse(stderr.split('\n').find((line) => line.startsWith('["'))!)
}

test.each([
  ['a node by hand', ['node', 'run', '--dir', 'no-such-folder'], runtimeFlags.role],
  ['a guardian by hand', ['guardian', 'run', '--dir', 'no-such-folder'], runtimeFlags.role],
  ['a command', ['ls', '--dir', 'no-such-folder'], runtimeFlags.client],
  [
    'a command that only sounds like it',
    ['put', 'node', 'run', '--dir', 'no-such-folder'],
    runtimeFlags.client,
  ],
])('%s runs with the flags of its kind', (_, typed, flags) => {
  expect(flagsOf(...typed)).toEqual(flags)
})
