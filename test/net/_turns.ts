/** Counts what happens in each turn of the event loop until `end`. */
export function countTurns(): { happened(amount?: number): void; end(): number[] } {
  const counts = [0]
  let isOver = false
  const next = () => {
    if (isOver) return
    counts.push(0)
    setImmediate(next)
  }
  setImmediate(next)
  return {
    happened: (amount = 1) => {
      counts[counts.length - 1]! += amount
    },
    end: () => {
      isOver = true
      return counts
    },
  }
}
