import { defineConfig } from 'vitest/config'

/** Scenarios start some twenty processes each: they run after the rest, one file at a time. */
const SCENARIOS = 'test/scenario/**/*.test.ts'

const common = { testTimeout: 60_000, hookTimeout: 60_000 }

export default defineConfig({
  test: {
    reporters: ['default', './test/summary-reporter.ts'],
    projects: [
      {
        test: {
          ...common,
          name: 'rooms',
          include: ['test/**/*.test.ts'],
          exclude: [SCENARIOS],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      { test: { ...common, name: 'scenarios', include: [SCENARIOS], maxWorkers: 1, sequence: { groupOrder: 1 } } },
    ],
  },
})
