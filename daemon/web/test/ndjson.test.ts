import { expect, test } from 'vitest'
import { lines } from '../src/lib/ndjson'

function body(...chunks: (string | Uint8Array)[]): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks)
        controller.enqueue(typeof chunk === 'string' ? encoder.encode(chunk) : chunk)
      controller.close()
    }
  })
}

async function all(stream: ReadableStream<Uint8Array>) {
  const found: string[] = []
  for await (const line of lines(stream)) found.push(line)
  return found
}

test('lines are found wherever the network cuts them', async () => {
  expect(await all(body('{"a":1}\n{"b', '":2}\n', '\n{"c":3}'))).toEqual(['{"a":1}', '{"b":2}', '{"c":3}'])
})

test('a letter that is cut in the middle stays whole', async () => {
  const bytes = new TextEncoder().encode('"ä"\n')
  expect(await all(body(bytes.slice(0, 2), bytes.slice(2)))).toEqual(['"ä"'])
})

test('a line without an end is refused instead of filling the memory', async () => {
  const chunk = 'x'.repeat(1 << 19)
  await expect(all(body(chunk, chunk, chunk))).rejects.toMatchObject({ kind: 'broken' })
})

test('a reader who leaves ends the request', async () => {
  let cancelled = false
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new TextEncoder().encode('1\n')),
    cancel: () => void (cancelled = true)
  })
  for await (const line of lines(stream)) {
    expect(line).toBe('1')
    break
  }
  expect(cancelled).toBe(true)
})
