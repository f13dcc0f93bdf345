import { parentPort } from 'node:worker_threads'
import { letGo } from '../../bytes.ts'
import { systemRandom } from '../../crypto/random.ts'
import { asXcareError, XcareError } from '../../errors.ts'
import { sharedRoom } from '../../fragment/erasure/stripe-room.ts'
import type { StripeFragments } from '../../fragment/writer.ts'
import type { OpenStream, RebuildStream, SealStream } from '../../light-node/coder.ts'
import { localCoder } from '../../light-node/coder-local.ts'
import type { Answers, Question, Remark } from './_coder-messages.ts'

const coder = localCoder(systemRandom, sharedRoom)
const sealing = new Map<number, SealStream>()
const opening = new Map<number, OpenStream>()
const rebuilding = new Map<number, RebuildStream>()
let streams = 0

parentPort?.on('message', async (question: Question) => {
  if (question.kind === 'recycle') {
    const stream = sealing.get(question.stream) ?? opening.get(question.stream)
    if (stream) stream.recycle(question.bytes)
    else letGo(question.bytes)
    return
  }
  if (question.kind === 'close') {
    sealing.get(question.stream)?.close()
    opening.get(question.stream)?.close()
    sealing.delete(question.stream)
    opening.delete(question.stream)
    rebuilding.delete(question.stream)
    return
  }
  try {
    const answer = await answerTo(question)
    parentPort?.postMessage({ id: question.id, answer }, movable(answer))
    // What was moved here to be sealed or opened is nobody else's.
    if (question.kind === 'write') letGo(question.plain)
    if (question.kind === 'stripe') for (const fragment of question.fragments) if (fragment) letGo(fragment)
  } catch (error) {
    const { code, message } = asXcareError(error)
    parentPort?.postMessage({ id: question.id, error: { code, message } })
  }
})

async function answerTo(question: Exclude<Question, Remark>): Promise<Answers[keyof Answers]> {
  switch (question.kind) {
    case 'seal': {
      sealing.set(++streams, await coder.seal(question.job))
      return streams
    }
    case 'write':
      return found(sealing, question.stream).write(question.plain)
    case 'finish':
      return found(sealing, question.stream).finish(question.sealed)
    case 'open': {
      const stream = await coder.open(question.manifest, question.custodyKey, question.shares)
      opening.set(++streams, stream)
      return { stream: streams, sealed: stream.sealed }
    }
    case 'stripe':
      return found(opening, question.stream).openStripe(question.stripe, question.fragments)
    case 'range':
      return found(opening, question.stream).openRange(question.offset, question.length, question.parts)
    case 'rebuilding': {
      rebuilding.set(++streams, await coder.rebuild(question.manifest))
      return streams
    }
    case 'rebuild': {
      const { stream, stripe, columns, fragments } = question
      return found(rebuilding, stream).rebuild(stripe, columns, fragments)
    }
  }
}

function found<T>(streams: Map<number, T>, stream: number): T {
  const open = streams.get(stream)
  if (!open) throw new XcareError('INTERNAL', `stream ${stream} is not open`)
  return open
}

/** Buffers that leave this thread for good: plaintext, rebuilt fragments, and stripes that did not find room in shared memory. */
function movable(answer: Answers[keyof Answers]): ArrayBuffer[] {
  if (answer instanceof Uint8Array) return [answer.buffer as ArrayBuffer]
  if (typeof answer === 'number' || 'stream' in answer) return []
  const made: (StripeFragments | Uint8Array)[] = Array.isArray(answer) ? answer : answer.stripes
  return made.map((one) => ('bytes' in one ? one.bytes : one).buffer).filter(isOwned)
}

function isOwned(buffer: ArrayBufferLike): buffer is ArrayBuffer {
  return buffer instanceof ArrayBuffer
}
