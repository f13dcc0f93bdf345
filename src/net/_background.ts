/** @returns `timer`, for which a process does not stay alive. A page has nothing to end: its timers are numbers. */
export function inBackground<T>(timer: T): T {
  ;(timer as { unref?(): void }).unref?.()
  return timer
}
