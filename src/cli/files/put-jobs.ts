import { stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { asXcareError, XcareError } from '../../errors.ts'
import { bundledBytes } from '../../fragment/bundle.ts'
import type { RecordSource } from '../../light-node/put-record.ts'
import { BUNDLE_INDEX_BYTES_MAX, BUNDLE_RECORDS_MAX, OBJECT_BYTES_MAX } from '../../limits.ts'
import { fileSource, type LocalPath, shown, standardInput, storedName } from '../../sdk/file-source.ts'
import { isSystemError } from '../../sdk/folder.ts'
import { filesBelow } from '../../sdk/folder-source.ts'
import { localFileName, localNames } from '../../sdk/local-names.ts'

/**
 * What one `put` of the recipes stores; `files` are the paths it is made of, `renamed` those that are stored
 * under another name.
 */
export type PutJob = {
  files: string[]
  renamed: { file: string; name: string }[]
} & ({ kind: 'record'; source: RecordSource } | { kind: 'bundle'; name: string; sources: RecordSource[] })

/** A file that is not stored, and why. */
export interface LeftOut {
  file: string
  error: XcareError
}

interface Found {
  jobs: PutJob[]
  leftOut: LeftOut[]
}

/** Files looked at together. */
const LOOKED_AT = 64
/** Beside records and index entries there is little in a bundle. */
const BUNDLE_SLACK_BYTES = 4096
const BUNDLE_BYTES_MAX = OBJECT_BYTES_MAX - BUNDLE_SLACK_BYTES
const STANDARD_INPUT = '-'

/**
 * Looks at everything that was named before anything is sent: a path where nothing is, or a name that cannot
 * be, ends it all; what may not be read is left out.
 * @throws XcareError FILE_UNREADABLE, USAGE
 */
export async function putJobs(
  paths: string[],
  { bundle, name }: { bundle?: boolean; name?: string },
): Promise<Found> {
  const areFolders = await Promise.all(paths.map(isFolder))
  if (name !== undefined) {
    storedName(name)
    if (!bundle && paths.length > 1)
      throw new XcareError('USAGE', '--name is for one record or one bundle', {
        next: 'store the files one by one, or all in one with --bundle',
      })
  }
  if (bundle) return bundleJobs(paths, areFolders, name ?? 'bundle')
  const jobs: PutJob[] = []
  const leftOut: LeftOut[] = []
  for (const [at, path] of paths.entries()) {
    const found = areFolders[at]
      ? await bundleJobs([path], [true], name ?? basename(resolve(path)))
      : await recordJobs(path, name)
    jobs.push(...found.jobs)
    leftOut.push(...found.leftOut)
  }
  if (jobs.length === 0) throw leftOut[0]?.error ?? nothingIn(paths[0]!)
  return { jobs, leftOut }
}

async function recordJobs(path: string, name: string | undefined): Promise<Found> {
  const own = path === STANDARD_INPUT ? 'standard-input' : basename(resolve(path))
  const local = localFileName(own)
  const leftOut: LeftOut[] = []
  const source = await sourceOf({ path, name: name ?? local.path[0]!, isTyped: true }, leftOut)
  if (!source) return { jobs: [], leftOut }
  const isRenamed = name === undefined ? local.isRenamed : source.name !== name
  const renamed = isRenamed ? [{ file: path, name: source.name }] : []
  return { jobs: [{ kind: 'record', source, files: [path], renamed }], leftOut }
}

async function bundleJobs(paths: string[], areFolders: boolean[], name: string): Promise<Found> {
  const leftOut: LeftOut[] = []
  const wanted: { path: LocalPath; full: string; isTyped: boolean }[] = []
  for (const [at, path] of paths.entries()) {
    const full = resolve(path)
    if (!areFolders[at]) {
      wanted.push({ path, full, isTyped: true })
      continue
    }
    const found = await filesBelow(path)
    wanted.push(
      ...found.files.map((file) => ({ path: file.path, full: `${full}/${file.name}`, isTyped: false })),
    )
    for (const { path: file, reason } of found.leftOut)
      leftOut.push({ file, error: new XcareError('FILE_UNREADABLE', reason) })
  }
  if (wanted.length === 0) throw leftOut[0]?.error ?? nothingIn(paths[0]!)
  const all = wanted.map(({ full }) => full)
  // A folder that is named alone is what its files have in common, one or many.
  const only = paths.length === 1 && areFolders[0] ? `${resolve(paths[0]!)}/` : null
  const locals = localNames(only ? all.map((full) => full.slice(only.length)) : bundleNames(all))
  const found: BundledFile[] = []
  for (let first = 0; first < wanted.length; first += LOOKED_AT) {
    const some = wanted.slice(first, first + LOOKED_AT).map(async ({ path, isTyped }, index) => {
      const local = locals[first + index]!
      const source = await sourceOf({ path, name: local.path.join('/'), isTyped }, leftOut)
      return source && { file: shown(path), source, isRenamed: local.isRenamed }
    })
    found.push(...(await Promise.all(some)).filter((one) => one !== null))
  }
  return { jobs: bundlesOf(found, storedName(name).name), leftOut }
}

interface BundledFile {
  file: string
  source: RecordSource
  isRenamed: boolean
}

/** As few bundles as hold all of it, in order; what is too large for one is a record of its own. */
function bundlesOf(all: BundledFile[], name: string): PutJob[] {
  const groups: BundledFile[][] = []
  const singles: BundledFile[] = []
  let room = 0
  let places = 0
  for (const one of all) {
    const bytes = bundledBytes(one.source)
    const entry = bytes - one.source.length
    if (bytes > BUNDLE_BYTES_MAX) {
      singles.push(one)
      continue
    }
    if (bytes > room || entry > places || groups.at(-1)!.length >= BUNDLE_RECORDS_MAX) {
      groups.push([])
      room = BUNDLE_BYTES_MAX
      places = BUNDLE_INDEX_BYTES_MAX - BUNDLE_SLACK_BYTES
    }
    groups.at(-1)!.push(one)
    room -= bytes
    places -= entry
  }
  const bundles = groups.map(
    (group, at): PutJob => ({
      ...told(group),
      kind: 'bundle',
      name: groups.length === 1 ? name : `${name}, ${at + 1} of ${groups.length}`,
      sources: group.map(({ source }) => source),
    }),
  )
  return [
    ...bundles,
    ...singles.map((one): PutJob => ({ ...told([one]), kind: 'record', source: one.source })),
  ]
}

function told(files: BundledFile[]) {
  const renamed = files.filter(({ isRenamed }) => isRenamed)
  return {
    files: files.map(({ file }) => file),
    renamed: renamed.map(({ file, source }) => ({ file, name: source.name })),
  }
}

/**
 * Files of one bundle keep their paths below the folder they share, so that equal names in two folders stay
 * apart.
 */
export function bundleNames(paths: string[]): string[] {
  const split = paths.map((path) => resolve(path).split('/').slice(1))
  const sharesFirst = () => split.every((segments) => segments.length > 1 && segments[0] === split[0]![0])
  while (sharesFirst()) for (const segments of split) segments.shift()
  return split.map((segments) => segments.join('/'))
}

/** @returns null for what may not be read, or came from a folder and cannot be stored: it is left out. */
async function sourceOf(
  { path, name, isTyped }: { path: LocalPath; name: string; isTyped: boolean },
  leftOut: LeftOut[],
): Promise<RecordSource | null> {
  try {
    return await (path === STANDARD_INPUT && isTyped ? standardInput(name) : fileSource(path, name))
  } catch (cause) {
    const error = asXcareError(cause)
    const isAbsent = isSystemError(error.cause, 'ENOENT') || isSystemError(error.cause, 'ENOTDIR')
    const isMayNot = error.code === 'FILE_UNREADABLE' && error.cause !== undefined && !isAbsent
    if (isTyped && !isMayNot) throw error
    leftOut.push({ file: shown(path), error })
    return null
  }
}

async function isFolder(path: string): Promise<boolean> {
  if (path === STANDARD_INPUT) return false
  return stat(path).then(
    (facts) => facts.isDirectory(),
    () => false,
  )
}

function nothingIn(path: string): XcareError {
  return new XcareError('FILE_UNREADABLE', `there is no file in ${path}`, {
    next: 'name files, or a folder that holds some',
  })
}
