import type { ComponentLogger, Logger } from '@libp2p/interface'

const ignore = () => undefined

const silent: Logger = Object.assign(ignore, {
  error: ignore,
  trace: ignore,
  enabled: false,
  newScope: () => silent,
})

/** The library makes loggers for every connection and stream; this one costs nothing. */
export const silentLog: ComponentLogger = { forComponent: () => silent }
