import type { NodeMessage } from '../../src/wire/fragment-protocol.ts'
import type { Lie } from '../light-node/tapped-stream.ts'

type Op = NodeMessage['op']

/**
 * The first answer of kind `op`, again and again, and never the end. Behind each lie is a real storage node:
 * `MemoryNode.lie`.
 */
export const repeats =
  (op: Op): Lie =>
  (message) =>
    message.op === op ? { forEver: message } : message

/** Each answer of kind `op` twice. */
export const saysTwice =
  (op: Op): Lie =>
  (message) =>
    message.op === op ? [message, message] : message

/** Everything true, and never the end of an answer. */
export const neverEnds: Lie = (message) => (message.op === 'END' ? 'silence' : message)

/** Everything true and in order, and before each answer of kind `op` time passes. @param pass lets it. */
export const drips =
  (op: Op, pass: () => Promise<void>): Lie =>
  async (message) => {
    if (message.op === op) await pass()
    return message
  }

/** Answers of kind `op` with other fields. */
export const changes =
  <K extends Op>(op: K, change: (message: Extract<NodeMessage, { op: K }>) => NodeMessage): Lie =>
  (message) =>
    message.op === op ? change(message as Extract<NodeMessage, { op: K }>) : message
