import { cruise, type ICruiseResult } from 'dependency-cruiser'
import extractTsConfig from 'dependency-cruiser/config-utl/extract-ts-config'
import { expect, test } from 'vitest'
import { rules } from './layers.rules.ts'

const options = {
  ruleSet: rules,
  validate: true,
  tsPreCompilationDeps: true,
  doNotFollow: { path: 'node_modules' },
  exclude: { path: 'xcare-nothing' },
  enhancedResolveOptions: {
    exportsFields: ['exports'],
    conditionNames: ['import', 'types', 'node', 'default'],
  },
}

async function violations(folder: string): Promise<string[]> {
  const tsConfig = extractTsConfig('tsconfig.json')
  const { output } = await cruise([folder], options as never, undefined, { tsConfig })
  const { summary } = output as ICruiseResult
  expect(summary.totalCruised).toBeGreaterThan(20)
  return summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`)
}

test('imports go down only, never sideways, in no circle, through one door a library', async () => {
  expect(await violations('src')).toEqual([])
})
