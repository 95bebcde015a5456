import { afterEach, describe, expect, test, vi } from 'vitest'
import { ApiError, asApiError, call, outcome } from '../src/lib/rpc'

afterEach(() => vi.unstubAllGlobals())

function answer(body: string, init: ResponseInit = {}) {
  const fetch = vi.fn<(url: string, init: RequestInit) => Promise<Response>>(
    async () => new Response(body, init)
  )
  vi.stubGlobal('fetch', fetch)
  return fetch
}

const failure = (work: Promise<unknown>) => work.then(() => expect.fail('it succeeded'), asApiError)

describe('a call', () => {
  test('sends an envelope without the parameters that are missing at the end', async () => {
    const fetch = answer('{"jsonrpc":"2.0","id":1,"result":{"services":[]}}')
    expect(await call('atek.cloud/x-api', 'list', ['a', undefined, undefined])).toEqual({ services: [] })
    const [url, init] = fetch.mock.calls[0] ?? []
    expect(url).toBe('/_atek/gateway?api=atek.cloud%2Fx-api')
    expect(JSON.parse(String(init?.body))).toEqual({ jsonrpc: '2.0', id: 1, method: 'list', params: ['a'] })
  })

  test("carries the host's own code, words and data in its error", async () => {
    answer('{"id":1,"error":{"code":-32001,"message":"too short","data":{"field":"password"}}}')
    const error = await failure(call('x', 'y'))
    expect(error).toMatchObject({ kind: 'rpc', code: -32001, message: 'too short', field: 'password' })
  })

  test.each([
    [401, '{"error":true,"message":"Not authorized"}', 'signedOut'],
    [429, '{"error":"RateLimitError"}', 'limited'],
    [503, '<h1>away</h1>', 'unreachable'],
    [404, '', 'broken'],
    [200, '<h1>a proxy</h1>', 'broken'],
    [200, '{}', 'broken'],
    [200, '[1]', 'broken']
  ])('that is answered with %i %s fails as %s', async (status, body, kind) => {
    answer(body, { status })
    expect((await failure(call('x', 'y'))).kind).toBe(kind)
  })

  test('that gets no answer says that the box is not there', async () => {
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')))
    expect((await failure(call('x', 'y'))).kind).toBe('unreachable')
  })

  test('that is given up throws what the browser throws', async () => {
    const gaveUp = new DOMException('gave up', 'AbortError')
    vi.stubGlobal('fetch', () => Promise.reject(gaveUp))
    await expect(call('x', 'y', [], AbortSignal.abort())).rejects.toBe(gaveUp)
  })
})

test('a throttled call says how long to wait, whole seconds', () => {
  const envelope = { error: { code: -32005, message: 'wait', data: { retryAfterSecs: 4.2 } } }
  let thrown: unknown
  try {
    outcome(envelope)
  } catch (error) {
    thrown = error
  }
  expect(asApiError(thrown)).toMatchObject({ kind: 'limited', retryAfterSecs: 5 })
})

test('what is thrown by mistake becomes an error of its own kind', () => {
  expect(asApiError('oh')).toMatchObject({ kind: 'broken', message: 'oh' })
  const known = new ApiError('rpc', 'x')
  expect(asApiError(known)).toBe(known)
})
