import { fingerprint } from './fingerprint.ts'

/** Looks at the machine for its parent process: what the probes leave behind ends with this one. */
process.send?.(fingerprint(process.argv[2]!), () => process.disconnect())
