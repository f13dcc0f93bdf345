import { globSync, readFileSync } from 'node:fs'
import ts from 'typescript'

/** Every source file of the house, parsed, by path. */
export const sources: ReadonlyMap<string, ts.SourceFile> = new Map(
  globSync('src/**/*.ts')
    .sort()
    .map((path) => [
      path,
      ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.ESNext, true),
    ]),
)

/** Paths of everything people wrote here: code, tests, pages, set-up. Nothing that is made or downloaded. */
export const written: readonly string[] = [
  ...globSync('{src,test,bench,bin,docs,.ci}/**/*', {
    withFileTypes: true,
    exclude: (entry) => entry.name === 'node_modules',
  })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`.replace(`${process.cwd()}/`, '')),
  ...globSync('*.{md,json,ts}'),
  '.gitignore',
  '.npmrc',
].sort()

/** Calls `see` with `node` and everything below it. */
export function visit(node: ts.Node, see: (node: ts.Node) => void): void {
  see(node)
  node.forEachChild((child) => visit(child, see))
}

/** @returns the line of `node` in its file, counted from one. */
export function lineOf(file: ts.SourceFile, node: ts.Node): number {
  return file.getLineAndCharacterOfPosition(node.getStart()).line + 1
}

/** @returns whether a statement is exported where it stands. */
export function isExported(statement: ts.Statement): boolean {
  return (
    ts.canHaveModifiers(statement) &&
    (ts.getModifiers(statement) ?? []).some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)
  )
}

/** @returns every name others can see: what is exported, and the public members of exported classes and interfaces. */
export function exportedNames(file: ts.SourceFile): string[] {
  return file.statements.filter(isExported).flatMap(namesOf)
}

function namesOf(statement: ts.Statement): string[] {
  if (ts.isVariableStatement(statement))
    return statement.declarationList.declarations.map(({ name }) => name.getText())
  const names: string[] = []
  if ('name' in statement && statement.name) names.push((statement.name as ts.Identifier).text)
  if (ts.isClassDeclaration(statement) || ts.isInterfaceDeclaration(statement))
    for (const { name } of statement.members)
      if (name && !ts.isPrivateIdentifier(name)) names.push(name.getText())
  return names
}
