import type { IncomingMessage } from 'node:http'

/** Names that a page of this machine itself may have, and by which this machine may be called. */
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/

/**
 * Whether a WebSocket may begin. On loopback any page that its user opens could call, under the page's own
 * name or with that name pointed at us: there only pages of this machine may, those of `names`, and programs,
 * which have no origin. Elsewhere everybody may call anyway, and `names`, where there are any, say which
 * pages. The origin proves nothing of a program; it keeps browsers from being used by others.
 * @param names host names without port.
 */
export function mayUpgrade({ headers, socket }: IncomingMessage, names: readonly string[]): boolean {
  const isOwn = (host: string | null) => host !== null && (LOOPBACK.test(host) || names.includes(host))
  const isLocal = /^(::1|(::ffff:)?127\..*)$/.test(socket.localAddress ?? '')
  const { origin, host } = headers
  if (isLocal && !isOwn(hostIn(`http://${host}`))) return false
  if (origin === undefined) return true
  return isLocal || names.length > 0 ? isOwn(hostIn(origin)) : true
}

/** @returns the host of a URL; null when it is none, as the origin of a page without one. */
function hostIn(url: string): string | null {
  return URL.canParse(url) ? new URL(url).hostname : null
}
