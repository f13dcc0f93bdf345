import type { Socket } from 'node:net'
import type { Shaper } from './shaper.ts'

/** One direction of a connection. */
export interface Pipe {
  /** Forgets what is still on the way. */
  stop(): void
}

interface Parcel {
  dueMs: number
  /** Null for the end of the stream. */
  bytes: Buffer | null
}

/**
 * Carries what `from` sends to `to`, each part when `shaper` says that it arrives, the end included; a full way slows the sender down.
 * @param count told of bytes and stalls as they come in.
 */
export function openPipe(
  from: Socket,
  to: Socket,
  shaper: Shaper,
  count: (bytes: number, stalls: number) => void,
): Pipe {
  const { queueBytes } = shaper
  const queue: Parcel[] = []
  let queued = 0
  let timer: NodeJS.Timeout | null = null
  let isFull = false
  let isStopped = false

  const deliver = () => {
    timer = null
    while (!isStopped && queue.length > 0 && !isFull && queue[0]!.dueMs <= performance.now()) {
      const { bytes } = queue.shift()!
      if (bytes === null) to.end()
      else {
        queued -= bytes.length
        isFull = !to.write(bytes)
      }
    }
    if (from.isPaused() && queued < queueBytes / 2) from.resume()
    schedule()
  }
  const schedule = () => {
    if (isStopped || timer || isFull || queue.length === 0) return
    timer = setTimeout(deliver, Math.max(0, queue[0]!.dueMs - performance.now()))
  }
  const take = (bytes: Buffer | null) => {
    const before = shaper.stalls
    const dueMs = shaper.arrival(bytes?.length ?? 0, performance.now())
    queue.push({ dueMs, bytes })
    queued += bytes?.length ?? 0
    if (queued > queueBytes) from.pause()
    count(bytes?.length ?? 0, shaper.stalls - before)
    // Without a delay nothing waits for a timer.
    if (dueMs <= performance.now() && !timer) deliver()
    else schedule()
  }

  from.on('data', take)
  from.on('end', () => take(null))
  to.on('drain', () => {
    isFull = false
    if (!timer) deliver()
  })
  return {
    stop() {
      isStopped = true
      if (timer) clearTimeout(timer)
      queue.length = 0
    },
  }
}
