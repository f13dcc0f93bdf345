import { writeFileSync } from 'node:fs'
import type { Reporter, TestCase, TestModule } from 'vitest/node'

/** Names every skipped test and leaves the counts for the closing line that bin/test.mjs prints last. */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>): void {
    const counts = { passed: 0, failed: 0, skipped: 0 }
    const skipped: string[] = []
    for (const module of modules) {
      if (module.state() === 'failed' && [...module.children.allTests()].length === 0) counts.failed++
      for (const test of module.children.allTests()) this.#count(test, counts, skipped)
    }
    for (const name of skipped) process.stdout.write(`skipped: ${name}\n`)
    const target = process.env.XCARE_TEST_COUNTS
    if (target) writeFileSync(target, JSON.stringify(counts))
  }

  #count(
    test: TestCase,
    counts: { passed: number; failed: number; skipped: number },
    skipped: string[],
  ): void {
    const state = test.result().state
    if (state === 'passed') counts.passed++
    else if (state === 'failed') counts.failed++
    else {
      counts.skipped++
      skipped.push(test.fullName)
    }
  }
}
