import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { equalBytes } from '../../../src/bytes.ts'
import { systemRandom } from '../../../src/crypto/random.ts'
import { encodeShards } from '../../../src/fragment/erasure/erasure.ts'
import { KernelMemory } from '../../../src/fragment/erasure/kernel-memory.ts'
import { plainKernel } from '../../../src/fragment/erasure/plain-kernel.ts'
import { simdKernelOf } from '../../../src/fragment/erasure/simd-kernel.ts'
import { plainRoom, sharedRoom } from '../../../src/fragment/erasure/stripe-room.ts'

const HEAD_BYTES = 192

/** The shards of a stripe of n fragments that lie one after the other, each behind a head. */
function shardsIn(stripe: Uint8Array, n: number): Uint8Array[] {
  const size = stripe.length / n
  return Array.from({ length: n }, (_, at) => stripe.subarray(at * size + HEAD_BYTES, (at + 1) * size))
}

/** As it arrives in another thread. */
function crossed(view: Uint8Array): Uint8Array {
  const { port1, port2 } = new MessageChannel()
  port1.postMessage(view)
  const { message } = receiveMessageOnPort(port2) as { message: Uint8Array }
  port1.close()
  return message
}

describe('the memory of a kernel', () => {
  it('grows without moving: a view of before shows what is written later', () => {
    const memory = new KernelMemory(64)
    const at = memory.take(100)
    const view = memory.view(at, 100).fill(1)
    memory.take(5_000_000)
    memory.view(at, 100).fill(2)
    expect(view.every((byte) => byte === 2)).toBe(true)
    expect(memory.holds(view)).toBe(true)
    expect(memory.holds(new Uint8Array(100))).toBe(false)
  })

  it('hands out what it took back, the smallest that fits', () => {
    const memory = new KernelMemory(64)
    const [large, , small] = [memory.take(4096), memory.take(640), memory.take(640), memory.take(640)]
    memory.give(large!)
    memory.give(small!)
    memory.give(small!)
    expect(memory.take(600)).toBe(small)
    expect(memory.take(600)).toBe(large)
  })

  it('never hands out a byte twice, and is no larger than what was in use at once, whatever the order and the sizes', () => {
    const memory = new KernelMemory(64)
    const taken = new Map<number, number>()
    let draw = 1
    const next = (below: number) => {
      draw = (draw * 48_271) % 2_147_483_647
      return draw % below
    }
    let most = 0
    for (let round = 0; round < 20_000; round++) {
      const used = [...taken.values()].reduce((sum, bytes) => sum + bytes, 0)
      most = Math.max(most, used)
      if (next(20) === 0 || used > 3_000_000) {
        for (const at of [...taken.keys()].filter(() => next(3) > 0)) {
          memory.give(at)
          taken.delete(at)
        }
      } else {
        const bytes = 1 + next(1 << (6 + next(12)))
        const at = memory.take(bytes)
        expect(at % 64).toBe(0)
        for (const [other, size] of taken) expect(at + bytes <= other || other + size <= at).toBe(true)
        taken.set(at, bytes)
      }
    }
    // Some of it lies in gaps that are too small.
    expect(memory.memory.buffer.byteLength).toBeLessThan(2 * most + 65_536)
  })

  it('is one piece again when all came back: stripes of one profile take the place of those of another', () => {
    const memory = new KernelMemory(64)
    const sizes: number[] = []
    for (const bytes of [5_300_000, 2_600_000, 2_600_064, 800_000, 64, 5_299_000]) {
      const count = Math.floor(20_000_000 / bytes)
      const taken = Array.from({ length: Math.min(count, 100) }, () => memory.take(bytes))
      sizes.push(memory.memory.buffer.byteLength)
      for (const at of taken) memory.give(at)
    }
    expect(Math.max(...sizes)).toBeLessThan(21_500_000)
  })

  it('takes nothing back that it did not hand out', () => {
    const memory = new KernelMemory(64)
    const at = memory.take(640)
    memory.give(at + 64)
    memory.give(0)
    expect(memory.take(640)).not.toBe(at + 64)
  })
})

describe.each(['relaxed', 'strict'] as const)('coding a stripe where it lies, %s', (build) => {
  const kernel = simdKernelOf(build)!

  it.each([
    [1, 4],
    [3, 20],
    [6, 12],
    [16, 40],
    [20, 40],
    [21, 130],
    [29, 80],
    [70, 300],
    [1000, 2000],
    [1100, 1300],
  ])('%i/%i: gives the parity of the definition’s kernel, and leaves data and heads alone', (k, n) => {
    for (const shardBytes of k > 100 ? [640] : [64, 704, 20_032]) {
      const bytes = n * (HEAD_BYTES + shardBytes)
      const content = systemRandom.bytes(bytes)
      const held = kernel.hold(bytes)!
      held.set(content)
      expect(held.buffer).toBeInstanceOf(SharedArrayBuffer)
      const [here, there] = [shardsIn(held, n), shardsIn(content, n)]
      encodeShards(here.slice(0, k), here.slice(k), kernel)
      encodeShards(there.slice(0, k), there.slice(k), plainKernel())
      expect(equalBytes(held, content), `${shardBytes}`).toBe(true)
      kernel.release(held)
    }
  })

  it('is right also after the memory grew, and between two stripes that are held', () => {
    const [k, n, shardBytes] = [20, 40, 4096]
    const bytes = n * (HEAD_BYTES + shardBytes)
    const stripes = Array.from({ length: 3 }, () => {
      const content = systemRandom.bytes(bytes)
      const held = kernel.hold(bytes)!
      held.set(content)
      return { content, held }
    })
    const large = kernel.hold(8_000_000)!
    for (const { content, held } of stripes) {
      encodeShards(shardsIn(held, n).slice(0, k), shardsIn(held, n).slice(k), kernel)
      encodeShards(shardsIn(content, n).slice(0, k), shardsIn(content, n).slice(k), plainKernel())
    }
    for (const { content, held } of stripes) {
      expect(equalBytes(held, content)).toBe(true)
      kernel.release(held)
    }
    kernel.release(large)
  })

  it('copies where shards lie otherwise: apart, backwards, or parity elsewhere', () => {
    const [k, n, size] = [6, 12, 704]
    const held = kernel.hold(2 * n * size)!
    held.set(systemRandom.bytes(held.length))
    const rows = Array.from({ length: 2 * n }, (_, at) => held.subarray(at * size, (at + 1) * size))
    const order = (places: number[]) => places.map((at) => rows[at]!)
    const upTo = (count: number) => Array.from({ length: count }, (_, at) => at)
    const layouts = [
      order(upTo(n).reverse()),
      order([0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
      [...order(upTo(k)), ...upTo(n - k).map(() => new Uint8Array(size))],
      [...upTo(k).map((at) => rows[at]!.slice()), ...order(upTo(n - k))],
    ]
    for (const [at, shards] of layouts.entries()) {
      const expected = shards.map((shard) => shard.slice())
      encodeShards(expected.slice(0, k), expected.slice(k), plainKernel())
      encodeShards(shards.slice(0, k), shards.slice(k), kernel)
      expect(
        shards.every((shard, row) => equalBytes(shard, expected[row]!)),
        `layout ${at}`,
      ).toBe(true)
    }
    kernel.release(held)
  })

  it('has no memory for what would keep a thread large for ever', () => {
    expect(kernel.hold(100 * 1024 * 1024)).toBeNull()
  })
})

describe('room for stripes', () => {
  const kernel = simdKernelOf('strict')!

  it('a stripe that was in another thread is used again only when it is back', () => {
    const room = sharedRoom(kernel)
    const [first, second] = [room.take(4096), room.take(4096)]
    expect(second.byteOffset).not.toBe(first.byteOffset)
    room.recycle(crossed(first))
    const third = room.take(4096)
    expect(third.byteOffset).toBe(first.byteOffset)
    expect(room.take(4096).byteOffset).not.toBe(second.byteOffset)
    room.close()
  })

  it('another thread writes and reads the very bytes', () => {
    const room = sharedRoom(kernel)
    const stripe = room.take(640).fill(1)
    crossed(stripe).fill(9)
    expect(stripe.every((byte) => byte === 9)).toBe(true)
    room.close()
  })

  it('what is still out when it closes is used again, by whatever room', () => {
    const room = sharedRoom(kernel)
    const places = [room.take(7040), room.take(7040)].map(({ byteOffset }) => byteOffset)
    room.close()
    const next = sharedRoom(kernel)
    expect(places).toContain(next.take(7040).byteOffset)
    next.close()
  })

  it('a stripe given back twice, or to a closed room, is not handed out twice', () => {
    const room = sharedRoom(kernel)
    const stripe = room.take(7040)
    room.recycle(crossed(stripe))
    room.recycle(crossed(stripe))
    expect(room.take(7040).byteOffset).not.toBe(room.take(7040).byteOffset)
    room.close()
    const other = sharedRoom(kernel)
    const taken = other.take(7040)
    room.recycle(crossed(taken))
    expect(other.take(7040).byteOffset).not.toBe(taken.byteOffset)
    other.close()
  })

  it('is plain memory where the kernel has none', () => {
    const room = sharedRoom(plainKernel())
    const stripe = room.take(640)
    expect(stripe.buffer).toBeInstanceOf(ArrayBuffer)
    room.recycle(stripe)
    expect(room.take(640)).toBe(stripe)
    room.close()
  })

  it('plain room hands out what came back, and lets go of it when it closes', () => {
    const room = plainRoom()
    const stripe = room.take(640)
    room.recycle(stripe)
    expect(room.take(704)).not.toBe(stripe)
    expect(room.take(640)).toBe(stripe)
    room.recycle(stripe)
    room.close()
    expect(stripe.length).toBe(0)
  })
})
