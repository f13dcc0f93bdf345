import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type PutJob, putJobs } from '../../src/cli/files/put-jobs.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'xcare-put-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, content = name): string {
  const path = join(folder, name)
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, content)
  return path
}

const namesOf = (job: PutJob | undefined) =>
  job?.kind === 'bundle' ? job.sources.map(({ name }) => name) : job && [job.source.name]

describe('what a put is made of', () => {
  test('files are records, one each; with --bundle one bundle', async () => {
    const paths = [file('a.txt'), file('b/a.txt')]
    const { jobs } = await putJobs(paths, {})
    expect(jobs.map(namesOf)).toEqual([['a.txt'], ['a.txt']])
    const bundled = await putJobs(paths, { bundle: true, name: 'visit' })
    expect(bundled.jobs).toMatchObject([{ kind: 'bundle', name: 'visit' }])
    expect(namesOf(bundled.jobs[0])).toEqual(['a.txt', 'b/a.txt'])
  })

  test('a folder is a bundle of its name, its files below it', async () => {
    for (const name of ['visits/1.json', 'visits/lab/2.json', 'visits/lab/deep/3.json']) file(name)
    const { jobs, leftOut } = await putJobs([join(folder, 'visits/')], {})
    expect(jobs).toMatchObject([{ kind: 'bundle', name: 'visits' }])
    expect(namesOf(jobs[0])).toEqual(['1.json', 'lab/2.json', 'lab/deep/3.json'])
    expect(leftOut).toEqual([])
  })

  test('a folder with one file keeps its name apart from the folder', async () => {
    file('visits/only.json')
    expect(namesOf((await putJobs([join(folder, 'visits')], {})).jobs[0])).toEqual(['only.json'])
  })

  test('links, pipes and names too long are left out of a folder, each by name', async () => {
    file('visits/1.json')
    symlinkSync('/etc/hostname', join(folder, 'visits/link'))
    symlinkSync('.', join(folder, 'visits/round'))
    execFileSync('mkfifo', [join(folder, 'visits/pipe')])
    file(`visits/${'d'.repeat(200)}/${'f'.repeat(100)}`)
    const { jobs, leftOut } = await putJobs([join(folder, 'visits')], {})
    expect(namesOf(jobs[0])).toEqual(['1.json'])
    const left = leftOut.map(
      ({ file: path, error }) => `${path.slice(folder.length + 8, folder.length + 13)} ${error.code}`,
    )
    expect(left.sort()).toEqual([
      'ddddd USAGE',
      'link FILE_UNREADABLE',
      'pipe FILE_UNREADABLE',
      'round FILE_UNREADABLE',
    ])
  })

  test('names are those that a file may have everywhere, and each other one is told', async () => {
    const hidden = file('visits/.hidden')
    const raw = Buffer.concat([Buffer.from(`${folder}/visits/R`), Buffer.from([0xf6]), Buffer.from('ntgen')])
    await writeFile(raw, 'umlaut')
    const { jobs } = await putJobs([join(folder, 'visits')], { name: '.git' })
    expect(jobs).toMatchObject([{ name: '_.git', renamed: [{ file: hidden, name: '_.hidden' }] }])
    expect(namesOf(jobs[0])).toEqual(['_.hidden', 'R\ufffdntgen'])
  })

  test('what is too large for one bundle is several, and a file too large for any is a record', async () => {
    for (const name of ['1', '2', '3']) truncateSync(file(`scans/${name}.dcm`), 120 * 1024 * 1024)
    truncateSync(file('scans/series.dcm'), 300 * 1024 * 1024)
    const { jobs } = await putJobs([join(folder, 'scans')], {})
    expect(jobs.map(({ kind }) => kind)).toEqual(['bundle', 'bundle', 'record'])
    expect(jobs.map(namesOf)).toEqual([['1.dcm', '2.dcm'], ['3.dcm'], ['series.dcm']])
    expect(jobs[1]).toMatchObject({ name: 'scans, 2 of 2' })
  })

  test('a slip of the fingers refuses everything; what may not be read does not', async () => {
    const one = file('1.txt')
    await expect(putJobs([one, join(folder, 'absent')], {})).rejects.toMatchObject({
      code: 'FILE_UNREADABLE',
    })
    await expect(putJobs([one, '/dev/null'], {})).rejects.toMatchObject({ code: 'FILE_UNREADABLE' })
    await expect(putJobs([one], { name: 'a/../b' })).rejects.toMatchObject({ code: 'USAGE' })
    await expect(putJobs([one, one], { name: 'x' })).rejects.toMatchObject({ code: 'USAGE' })
    const loop = join(folder, 'loop')
    symlinkSync(loop, loop)
    const { jobs, leftOut } = await putJobs([one, loop], {})
    expect(jobs.map(namesOf)).toEqual([['1.txt']])
    expect(leftOut).toMatchObject([{ file: loop, error: { code: 'FILE_UNREADABLE' } }])
  })
})
