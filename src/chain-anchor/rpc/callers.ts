import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { Budget, type Lease, type Party } from '../../budget.ts'
import { RPC_CONNECTIONS } from '../../limits.ts'

/** @returns whether an address is one of this machine, where it tells nobody apart. */
export function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address)
}

interface Present {
  party: Party
  lease: Lease
}

/**
 * The connections of an HTTP server: who comes is let in, who has said nothing for longest makes room. While
 * a request is being answered its connection has a reserved place.
 */
export class Callers {
  readonly #budget = new Budget(RPC_CONNECTIONS)
  readonly #present = new Map<Socket, Present>()
  readonly #nowMs: () => number
  #count = 0

  constructor(server: Server, nowMs: () => number) {
    this.#nowMs = nowMs
    server.on('connection', (socket: Socket) => this.#arrive(socket))
  }

  /** Runs `answer` while the place of `socket` is safe. */
  async during(socket: Socket, answer: () => Promise<void>): Promise<void> {
    const isSafe = this.#move(socket, 'owner')
    try {
      await answer()
    } finally {
      if (isSafe) this.#move(socket, 'stranger')
    }
  }

  #arrive(socket: Socket): void {
    const remote = socket.remoteAddress ?? ''
    const address = isLoopback(remote) ? null : remote
    const party: Party = { standing: 'stranger', holder: `caller ${++this.#count}`, address }
    const lease = this.#budget.take(party, 1, this.#nowMs(), () => socket.destroy())
    if (lease === null) {
      socket.destroy()
      return
    }
    this.#present.set(socket, { party, lease })
    socket.once('close', () => {
      this.#present.get(socket)?.lease.release()
      this.#present.delete(socket)
    })
  }

  /** @returns whether it has the place of that standing now; as it was when not. */
  #move(socket: Socket, standing: 'owner' | 'stranger'): boolean {
    const before = this.#present.get(socket)
    if (!before) return false
    before.lease.release()
    const end = () => socket.destroy()
    const party = { ...before.party, standing }
    const lease =
      this.#budget.take(party, 1, this.#nowMs(), end) ??
      this.#budget.take(before.party, 1, this.#nowMs(), end)
    if (lease === null) {
      socket.destroy()
      return false
    }
    this.#present.set(socket, { party: lease.party, lease })
    return lease.party.standing === standing
  }
}
