/** What an HTTP server answered. */
export interface PostAnswer {
  status: number
  body: AsyncIterable<Uint8Array>
}
