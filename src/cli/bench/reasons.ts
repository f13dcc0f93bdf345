import { assert } from '../../assert.ts'

/**
 * Why a number is missed where it is missed: what profiles of this version showed as the largest costs (native ones by
 * `perf record -e cpu-clock`, and those of Node). By the begin of the figure's id.
 */
const REASONS: readonly (readonly [figure: string, reason: string])[] = [
  [
    'stage/encode/',
    'Table look-ups of 16 bytes at a time, two for each product: wider vectors, which ISA-L uses, WebAssembly has not. Stripes are coded where they lie.',
  ],
  [
    'stage/decode/',
    'Copies between JavaScript and WebAssembly memory, and two transforms where encoding needs one.',
  ],
  [
    'stage/seal-encode-hash/',
    'Sealing: Node makes a cipher and an output for each chunk of 16 KiB, which costs as much again as AES does. Coding and hashing together take about as long.',
  ],
  [
    'coders/',
    'As with one thread; and two threads share two cores with the collector and with each other’s caches.',
  ],
  [
    'stage/wire',
    'Node’s own TLS takes four fifths of its time or more, in records of 16 KiB that are decrypted and handed on one by one. Plain TCP and TLS of the same run stand beside it: “Distance to the limit of this machine”.',
  ],
  [
    'put/rate/',
    'The processors are busy, with nothing large: of the time of all processes, warmed by 4 GiB of puts, JavaScript and its runtime take 39 % (messages and pieces of 16 KiB, in two threads of each of twelve nodes), the kernel 20 % (wake-ups, sockets, direct writes), the collector and the allocator 8 %, BLAKE3 8 %, TLS and sealing 6 %, copies 6 %, coding 4 %, compiling 2 %. `npm run bench:peers` measures TLS to twelve processes that only write and sync: half of that rate is the limit here.',
  ],
  [
    'put/cpu/all/',
    'Two thirds of it are the nodes’: a wake-up, a message between threads and several TLS records for each burst, in each of twelve processes; then hashing and copies. The first put after a start costs nearly twice as much, for compiling and fresh memory.',
  ],
  [
    'losses/whole/',
    'More than half of it is twelve nodes that wake up, read, hash and send, a quarter the client’s one network thread: TLS, hashing and putting fragments together. A short object also pays for locating it and its manifest, about 40 ms.',
  ],
  [
    'losses/lost/',
    'As without loss: decoding runs in its own thread at more than 2 GB/s. Half as many nodes serve twice as much each.',
  ],
  [
    'repair/rebuilt/',
    'k fragments are read for all columns that one node lost, some 250 MB/s of them: less than a get, as lost ones are made, sent and written meanwhile, and the node that lost its disk has just started. With the three or four columns a node of 20/40 on twelve nodes, 150 MB/s would be 900 MB/s read.',
  ],
  ['repair/reads/', 'Stripes were read again after a node failed on the way.'],
  [
    'small/put/alone/p50',
    'All processes together work for 55 to 70 ms: twelve nodes for 2 to 3 ms each, four guardians for 3, the client for 11, the chain for 6. On two cores that is nearly all of it; the rest is steps in which only the client or the chain has work.',
  ],
  [
    'small/put/alone/p99',
    'As the median, with what else falls into its time: every few seconds each node tells others in the DHT what it holds, for a fifth of a second, and the client collects for 10 to 20 ms.',
  ],
  [
    'small/put/closed/rate',
    'Each record is an object of its own: twelve receipts, an anchored transaction and four custody deposits cost 40 to 60 ms of processor time, half of it in nodes (TLS, streams, announcements in the DHT, one sync each), a quarter at guardians and the chain. Bundles are for many records at once.',
  ],
  [
    'small/put/gathered/rate',
    'Sixteen callers fill a bundle with sixteen records and wait for it as for any put, some 35 ms, in which all processes together work for about 60: the rate is what is in flight over the time of one put, and grows with it.',
  ],
  ['bundles/', 'A thousand records are one object, whose anchoring and custody cost as much as any.'],
  ['index/last/', 'Inserting at random places of a B-tree that has outgrown the caches.'],
  ['index/open/', 'Reading the headers of volumes and the counters of the index.'],
  [
    'memory/client',
    'Buffers of the network that wait for a collection, and pools of the allocator that keep what was freed.',
  ],
  ['memory/node', 'Buffers of the network that wait for a collection, in two threads.'],
  [
    'put/turn/longest/',
    'A collection of the whole heap, or several stripes that came from the coder at once.',
  ],
  [
    'put/turn/first',
    'All code runs for the first time and is compiled, with twelve handshakes meanwhile, each in turns of its own; a collection of the whole heap, some 10 ms, may fall into one of them.',
  ],
  [
    'get/turn/longest/',
    'Three MiB of what twelve nodes answered are read in one turn, hashed and put together: 10 to 12 ms where a MiB costs 4; the rest is the collector.',
  ],
  ['put/turn/node/', 'A collection of the whole heap, or a burst of several puts at once.'],
  ['get/turn/node/', 'A collection of the whole heap, or several readers at once.'],
]

/** @returns what profiles show behind the figure whose id begins with `figure`. */
export function reasonFor(figure: string): string {
  const found = REASONS.find(([begin]) => figure.startsWith(begin))
  assert(found !== undefined, `somebody looked into what ${figure} costs`)
  return found[1]
}
