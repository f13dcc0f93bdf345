import { utf8 } from '../../../src/bytes.ts'
import { grantKey } from '../../../src/chain-anchor/app/keys.ts'
import { decodeTx } from '../../../src/chain-anchor/app/tx.ts'
import { grantValue } from '../../../src/chain-anchor/app/values.ts'
import {
  blockId,
  consensusHash,
  dataHash,
  evidenceHash,
  resultsHash,
} from '../../../src/chain-anchor/comet/block.ts'
import { commitHash } from '../../../src/chain-anchor/comet/commit.ts'
import { timeFromMs } from '../../../src/chain-anchor/comet/time.ts'
import {
  BLOCK_ID_FLAG,
  BLOCK_PROTOCOL,
  type Commit,
  type Header,
  type LightBlock,
  NO_BLOCK_ID,
  type Validator,
  ZERO_TIME,
} from '../../../src/chain-anchor/comet/types.ts'
import {
  sortValidators,
  validatorAddress,
  validatorsHash,
} from '../../../src/chain-anchor/comet/validators.ts'
import { commitSignBytes } from '../../../src/chain-anchor/comet/vote.ts'
import type { Endpoint } from '../../../src/chain-anchor/light/endpoint.ts'
import { StateTree } from '../../../src/chain-anchor/state/smt.ts'
import { sha256 } from '../../../src/crypto/hash.ts'
import { type SigningKey, signingKeyFromSeed } from '../../../src/crypto/sign.ts'
import { XcareError } from '../../../src/errors.ts'
import { MemoryPages } from '../memory-pages.ts'

/** Wall time of the first block. */
export const START_MS = 1_900_000_000_000
/** Time between blocks. */
export const STEP_MS = 5000

/** A validator that can sign. */
export interface Member {
  key: SigningKey
  power: bigint
}

/** @returns `count` members with numbers from `first` up; number n has power 10 + n. */
export function members(count: number, first = 0): Member[] {
  return Array.from({ length: count }, (_, at) => ({
    key: signingKeyFromSeed(sha256(utf8(`member ${first + at}`))),
    power: BigInt(10 + first + at),
  }))
}

/** @returns the members as a validator set. */
export function validatorsOf(set: readonly Member[]): Validator[] {
  return sortValidators(
    set.map(({ key, power }) => ({
      address: validatorAddress(key.publicKey),
      publicKey: key.publicKey,
      power,
      priority: 0n,
    })),
  )
}

/** @returns a commit for `header` by those of `set` whose index in the sorted set is accepted. */
export function sign(
  header: Header,
  set: readonly Member[],
  signs: (index: number) => boolean = () => true,
): Commit {
  const { hash, parts } = blockId({ header, txs: [], lastCommit: noCommit() })
  const commit: Commit = { height: header.height, round: 0, blockId: { hash, parts }, signatures: [] }
  for (const [index, { address }] of validatorsOf(set).entries()) {
    const absent = {
      flag: BLOCK_ID_FLAG.absent,
      address: new Uint8Array(0),
      time: ZERO_TIME,
      signature: new Uint8Array(0),
    }
    commit.signatures.push(absent)
    if (!signs(index)) continue
    const member = set.find(({ key }) => validatorAddress(key.publicKey).join() === address.join())!
    const time = { ...header.time, nanos: index }
    commit.signatures[index] = { flag: BLOCK_ID_FLAG.commit, address, time, signature: new Uint8Array(0) }
    commit.signatures[index]!.signature = member.key.signRaw(commitSignBytes(header.chainId, commit, index))
  }
  return commit
}

function noCommit(): Commit {
  return { height: 0, round: 0, blockId: NO_BLOCK_ID, signatures: [] }
}

/** A chain in memory with real hashes, signatures and state proofs. */
export class FakeChain {
  readonly chainId = 'fake-1'
  readonly blocks: LightBlock[] = []
  readonly txs = new Map<string, Uint8Array>()
  /** Members that sign height h; asked for once per height. */
  readonly #membersAt: (height: number) => Member[]
  readonly trees: StateTree[] = [new StateTree(new MemoryPages())]
  readonly blobs: Uint8Array[] = []

  constructor(membersAt: ((height: number) => Member[]) | Member[]) {
    this.#membersAt = typeof membersAt === 'function' ? membersAt : () => membersAt
  }

  get height(): number {
    return this.blocks.length
  }

  get trust() {
    return { height: 1, hash: this.blocks[0]!.commit.blockId.hash }
  }

  /** Milliseconds of the newest block. */
  get timeMs(): number {
    return START_MS + (this.height - 1) * STEP_MS
  }

  at(height: number): LightBlock {
    return this.blocks[height - 1]!
  }

  /** Makes the header of the next height, without adding it. */
  header(change: Partial<Header> = {}): Header {
    const height = this.height + 1
    const last = this.blocks.at(-1)
    return {
      version: { block: BLOCK_PROTOCOL, app: 1 },
      chainId: this.chainId,
      height,
      time: timeFromMs(START_MS + (height - 1) * STEP_MS),
      lastBlockId: last ? last.commit.blockId : NO_BLOCK_ID,
      lastCommitHash: commitHash(last ? last.commit : noCommit()),
      dataHash: dataHash([]),
      validatorsHash: validatorsHash(validatorsOf(this.#membersAt(height))),
      nextValidatorsHash: validatorsHash(validatorsOf(this.#membersAt(height + 1))),
      consensusHash: consensusHash(22_020_096, -1),
      appHash: this.trees.at(-1)!.root.hash,
      lastResultsHash: resultsHash([]),
      evidenceHash: evidenceHash([]),
      proposerAddress: validatorsOf(this.#membersAt(height))[0]!.address,
      ...change,
    }
  }

  /** Adds the next block; its transactions set `writes`, proven by the header after it. */
  add(writes: [Uint8Array, Uint8Array | null][] = [], change: Partial<Header> = {}): LightBlock {
    const header = this.header(change)
    const set = this.#membersAt(header.height)
    const block = { header, commit: sign(header, set), validators: validatorsOf(set) }
    this.blocks.push(block)
    this.trees.push(this.trees.at(-1)!.update(writes))
    return block
  }

  /** Adds `count` empty blocks. */
  grow(count: number): this {
    for (let at = 0; at < count; at++) this.add()
    return this
  }

  /** Puts a transaction that creates or revokes a grant into a block, and makes the block that proves it. */
  take(tx: Uint8Array): void {
    for (const message of decodeTx(tx).body.messages)
      if (message.type === 'grant.create') {
        const { type: _, ...fields } = message
        const value = grantValue.encode({ ...fields, status: 'active', height: this.height + 1 })
        this.add([[grantKey(message.grantId), value]])
      }
    this.add()
  }

  /** @returns a chain with the same blocks up to `height` that goes its own way from there. */
  forkAt(height: number): FakeChain {
    const fork = new FakeChain(this.#membersAt)
    fork.blocks.push(...this.blocks.slice(0, height))
    fork.trees.splice(0, 1, ...this.trees.slice(0, height + 1))
    fork.add([], { dataHash: sha256(utf8('another transaction')) })
    return fork
  }
}

/** An honest endpoint of a fake chain, with counters and hooks to make it dishonest. */
export class FakeEndpoint implements Endpoint {
  readonly name: string
  readonly asked: string[] = []
  chain: FakeChain
  /** Thrown instead of answering. */
  down: XcareError | null = null
  /** Thrown instead of taking a transaction. */
  refusal: XcareError | null = null
  /** Whether it says yes to transactions and drops them. */
  swallows = false
  /** Replaces the value and proof of an answer. */
  forge: (answer: { value: Uint8Array | null; proof: Uint8Array | null }) => typeof answer = (answer) =>
    answer

  constructor(chain: FakeChain, name = 'fake') {
    this.chain = chain
    this.name = name
  }

  async signedHeader(height: number | null) {
    const { header, commit } = this.#block('commit', height ?? this.chain.height)
    return { header, commit }
  }

  async validators(height: number) {
    return this.#block('validators', height).validators
  }

  async query(path: string, data: Uint8Array, height: number) {
    this.#ask('query')
    if (path === '/blob') {
      const value = this.chain.blobs.find((blob) => sha256(blob).join() === data.join()) ?? null
      return this.forge({ value, proof: null })
    }
    const tree = this.chain.trees[height]
    if (!tree) throw new XcareError('NOT_FOUND', 'height is not available')
    return this.forge(tree.prove(data))
  }

  async submit(tx: Uint8Array) {
    this.#ask('submit')
    if (this.refusal) throw this.refusal
    if (!this.swallows) this.chain.take(tx)
    return { height: this.chain.height - (this.swallows ? 0 : 1) }
  }

  #block(what: string, height: number): LightBlock {
    this.#ask(`${what} ${height}`)
    const block = this.chain.at(height)
    if (!block) throw new XcareError('NOT_FOUND', `no height ${height}`)
    return block
  }

  #ask(what: string): void {
    this.asked.push(what)
    if (this.down) throw this.down
  }
}
