/** Streams of JSON lines: logs and jobs. */

import { ApiError, request } from './rpc'

/** A line longer than this ends the stream: it is not one of the host's. */
const LONGEST_LINE = 1 << 20

/** The values of a stream, as they come. Ends with the stream, or with `signal`. */
export async function* stream<T>(url: string, signal: AbortSignal): AsyncGenerator<T> {
  const response = await request(url, { signal, headers: { accept: 'application/x-ndjson' } })
  if (!response.body) return
  for await (const line of lines(response.body)) yield parsed<T>(line)
}

/** The lines of a body, without their ends; empty ones are left out. */
export async function* lines(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for (;;) {
      const { done, value } = await reader.read()
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true })
      const parts = rest.split('\n')
      rest = parts.pop() ?? ''
      for (const part of parts) if (part !== '') yield part
      if (rest.length > LONGEST_LINE) throw new ApiError('broken', 'the stream has a line without an end')
      if (done) {
        if (rest !== '') yield rest
        return
      }
    }
  } finally {
    // A reader who leaves early ends the request too.
    await reader.cancel().catch(() => undefined)
  }
}

function parsed<T>(line: string): T {
  try {
    return JSON.parse(line) as T
  } catch (error) {
    throw new ApiError('broken', 'the stream has a line that is not JSON', { cause: error })
  }
}
