import { cruise, type ICruiseResult } from 'dependency-cruiser'
import extractTsConfig from 'dependency-cruiser/config-utl/extract-ts-config'
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

/** What the rules of the house say about the folder `src` of `baseDir`: `rule: from -> to`, sorted. */
export async function violationsIn(baseDir: string): Promise<{ files: number; violations: string[] }> {
  const tsConfig = extractTsConfig('tsconfig.json')
  const { output } = await cruise(['src'], { ...options, baseDir } as never, undefined, { tsConfig })
  const { summary } = output as ICruiseResult
  return {
    files: summary.totalCruised,
    violations: summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`).sort(),
  }
}
