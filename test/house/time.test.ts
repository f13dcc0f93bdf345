import ts from 'typescript'
import { describe, expect, test } from 'vitest'
import { lineOf, sources, visit } from './sources.ts'

/** Where the world begins: these hand time and chance to everything else. */
const COMPOSITION = /^src\/(sdk|cli)\//

/** Uses of the machine's own clock and timers outside the composition roots, each with its reason. */
const MEANT: { path: string; use: string; why: string }[] = [
  {
    path: 'src/net/tls/_certificate.ts',
    use: 'Date.now',
    why: 'a certificate of a connection is valid around now',
  },
  { path: 'src/net/tls/raw-tls.ts', use: 'Date.now', why: 'as above, for the certificate of the other end' },
  { path: 'src/net/tls/tls-stream.ts', use: 'setInterval', why: 'watches a socket' },
  { path: 'src/net/mux/muxer.ts', use: 'setInterval', why: 'keeps a connection from being forgotten' },
  { path: 'src/net/frames/frame-stream.ts', use: 'setTimeout', why: 'watches a stream' },
  { path: 'src/net/frames/frame-stream.ts', use: 'setInterval', why: 'watches a stream' },
  {
    path: 'src/net/frames/_idle-streams.ts',
    use: 'setTimeout',
    why: 'closes streams that nobody used for a while',
  },
  { path: 'src/net/frames/_idle-streams.ts', use: 'performance.now', why: 'as above' },
  { path: 'src/net/_memory-store.ts', use: 'setTimeout', why: 'lets others have their turn' },
  { path: 'src/net/_quiet-peer-store.ts', use: 'performance.now', why: 'libp2p has no clock to be given' },
  { path: 'src/net/frames/_patience.ts', use: 'setTimeout', why: 'watches a stream' },
  { path: 'src/net/frames/_patience.ts', use: 'performance.now', why: 'as above' },
  { path: 'src/net/web/listening.ts', use: 'setTimeout', why: 'watches a socket' },
  { path: 'src/net/peer.ts', use: 'performance.now', why: 'libp2p has no clock to be given' },
  { path: 'src/net/peer.ts', use: 'setTimeout', why: 'stopping libp2p may take forever' },
  { path: 'src/dht/_kad.ts', use: 'setTimeout', why: 'waits for an event of libp2p' },
  { path: 'src/dht/_announcer.ts', use: 'setTimeout', why: 'gathers what libp2p is told at once' },
  { path: 'src/chain-anchor/rpc/server.ts', use: 'setTimeout', why: 'watches an HTTP request' },
  { path: 'src/chain-anchor/rpc/server.ts', use: 'performance.now', why: 'knows which connection is idle' },
  {
    path: 'src/storage-node/disk/open-store.ts',
    use: 'Date.now',
    why: 'composition root of the disk thread',
  },
  {
    path: 'src/storage-node/disk/worker.ts',
    use: 'setTimeout',
    why: 'brings the file of the index up to date a little later',
  },
  { path: 'src/storage-node/fragment-store.ts', use: 'setTimeout', why: 'gathers what shares a sync' },
  { path: 'src/storage-node/fragment-store.ts', use: 'performance.now', why: 'as above' },
]

const TIMERS = new Set(['setTimeout', 'setInterval'])

function useOf(node: ts.Node): string | null {
  if (ts.isNewExpression(node) && node.expression.getText() === 'Date' && !node.arguments?.length)
    return 'new Date()'
  if (!ts.isCallExpression(node) && !ts.isPropertyAccessExpression(node)) return null
  const text = (ts.isCallExpression(node) ? node.expression : node).getText()
  if (ts.isPropertyAccessExpression(node))
    return ['Date.now', 'Math.random', 'performance.now'].includes(text) ? text : null
  return TIMERS.has(text) ? text : null
}

function uses(): { path: string; use: string; line: number }[] {
  const found: { path: string; use: string; line: number }[] = []
  for (const [path, file] of sources) {
    if (COMPOSITION.test(path)) continue
    visit(file, (node) => {
      const use = useOf(node)
      if (use) found.push({ path, use, line: lineOf(file, node) })
    })
  }
  return found
}

describe('time and chance come in as arguments', () => {
  const found = uses()

  test('nobody but the composition roots asks the machine for them', () => {
    const wrong = found.filter(
      ({ path, use }) => !MEANT.some((meant) => meant.path === path && meant.use === use),
    )
    expect(wrong).toEqual([])
  })

  test.each(MEANT)('the exception of $path for $use is still needed', ({ path, use }) => {
    expect(found.some((one) => one.path === path && one.use === use)).toBe(true)
  })
})

/** What a phone has not; rules about imports do not see globals. */
const NODE_GLOBALS = new Set(['Buffer', 'process', 'NodeJS', 'global', 'require', '__dirname', '__filename'])
const BROWSER_SAFE =
  /^src\/([^/]+\.ts$|crypto\/|fragment\/|identity\/|custody\/|wire\/|light-node\/|chain-anchor\/(codec|comet|light|app)\/|chain-anchor\/state\/(smt|proof|ics23)\.ts)/

test('what runs on a phone uses no globals of Node', () => {
  const found: string[] = []
  for (const [path, file] of sources) {
    if (!BROWSER_SAFE.test(path) || path.endsWith('.node.ts')) continue
    visit(file, (node) => {
      const isName = ts.isIdentifier(node) && NODE_GLOBALS.has(node.text)
      const isOwn = isName && ts.isPropertyAccessExpression(node.parent) && node.parent.name === node
      if (isName && !isOwn) found.push(`${path}:${lineOf(file, node)} ${node.getText()}`)
    })
  }
  expect(found).toEqual([])
})
