import type { PostAnswer } from './post-answer.ts'

/** Posts `body`, JSON, as a page can. Redirects fail. @returns the answer, whose body must be read, or `signal` aborted. @throws whatever the browser says. */
export async function post(url: string, body: string, signal: AbortSignal): Promise<PostAnswer> {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(url, { method: 'POST', headers, body, signal, redirect: 'error' })
  return { status: response.status, body: piecesOf(response) }
}

/** Not every browser can iterate over a stream. */
async function* piecesOf({ body }: Response): AsyncGenerator<Uint8Array> {
  const reader = body?.getReader()
  while (reader) {
    const { done, value } = await reader.read()
    if (done) return
    yield value
  }
}
