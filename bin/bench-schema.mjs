#!/usr/bin/env node
// Writes docs/spec/bench-report.schema.json: the published shape of report.json, made from src/cli/bench/report-shape.ts.
import { writeFileSync } from 'node:fs'
import { reportJsonSchema } from '../src/cli/bench/report-shape.ts'

writeFileSync(
  new URL('../docs/spec/bench-report.schema.json', import.meta.url),
  `${JSON.stringify(reportJsonSchema(), null, 2)}\n`,
)
