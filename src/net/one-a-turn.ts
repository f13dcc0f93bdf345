/**
 * Lets those who wait go on one by one, each in a turn of the event loop of its own, so that what a dozen peers begin or
 * answer at the same moment is never the work of one turn. It bounds no number: one that never answers holds nobody up.
 */
export class OneATurn {
  #last: Promise<void> = Promise.resolve()

  /** Resolves in a later turn, in which nobody else passes. */
  pass(): Promise<void> {
    this.#last = this.#last.then(laterTurn)
    return this.#last
  }
}

/** Resolves in a later turn of the event loop, when whatever came meanwhile was looked at. */
export function laterTurn(): Promise<void> {
  return new Promise((resolve) => {
    // The first of the two may belong to this turn still, behind what asked for it.
    if (typeof setImmediate === 'function') setImmediate(() => setImmediate(resolve))
    else inPageTurn(resolve)
  })
}

/** A message to oneself: a page's timers wait longer, in the background a second each. */
function inPageTurn(resolve: () => void): void {
  const { port1, port2 } = new MessageChannel()
  port1.onmessage = () => {
    port1.close()
    resolve()
  }
  port2.postMessage(null)
}
