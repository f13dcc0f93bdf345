import { readdirSync, readFileSync } from 'node:fs'

/** Kernel ticks in a second, as `/proc` counts them; the same on every Linux that Node supports. */
const TICKS_PER_SECOND = 100

interface Stat {
  pid: number
  parent: number
  /** User and system time of the process and of its children that have ended, in ticks. */
  ticks: number
}

/** @returns the processes `roots` and everything they started that is alive. Empty where there is no `/proc`. */
export function treeOf(roots: readonly number[]): number[] {
  return statsOf(roots).map(({ pid }) => pid)
}

/** @returns CPU seconds used so far by the processes `roots` and all that they started, ended children included. */
export function cpuSecondsOf(roots: readonly number[]): number {
  return statsOf(roots).reduce((sum, { ticks }) => sum + ticks, 0) / TICKS_PER_SECOND
}

/** @returns CPU seconds all of the machine has used since it started, or null where the system does not tell. */
export function machineCpuSeconds(): number | null {
  try {
    const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n')
    const [user, nice, system, , , irq, softIrq, stolen] = line.trim().split(/\s+/).slice(1).map(Number)
    return (user! + nice! + system! + irq! + softIrq! + stolen!) / TICKS_PER_SECOND
  } catch {
    return null
  }
}

function statsOf(roots: readonly number[]): Stat[] {
  const all = allStats()
  const wanted = new Set(roots)
  // Parents come before children almost always; a second pass catches numbers that were used again.
  for (let before = -1; before !== wanted.size; ) {
    before = wanted.size
    for (const { pid, parent } of all) if (wanted.has(parent)) wanted.add(pid)
  }
  return all.filter(({ pid }) => wanted.has(pid))
}

function allStats(): Stat[] {
  let names: string[]
  try {
    names = readdirSync('/proc')
  } catch {
    return []
  }
  return names.filter((name) => /^\d+$/.test(name)).flatMap((name) => statOf(Number(name)))
}

function statOf(pid: number): Stat[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const [user, system, childUser, childSystem] = fields.slice(11, 15).map(Number)
    return [{ pid, parent: Number(fields[1]), ticks: user! + system! + childUser! + childSystem! }]
  } catch {
    return []
  }
}
