/**
 * JSON-RPC with the gateway, and why a call failed.
 *
 * Every failure is an `ApiError`: what a page shows depends on its `kind` alone.
 */

/**
 * - `rpc`: the host answered with an error; `code`, `message` and `data` are its own.
 * - `signedOut`: the session is over.
 * - `limited`: too many calls; `data.retryAfterSecs` says how long to wait, where it is known.
 * - `unreachable`: no answer came; the box is off, restarting, or not on this network.
 * - `broken`: an answer came that is not one of the gateway's.
 */
export type ErrorKind = 'rpc' | 'signedOut' | 'limited' | 'unreachable' | 'broken'

/** Codes that the host gives a meaning of its own. */
export const code = {
  methodNotFound: -32601,
  params: -32001,
  general: -32003,
  limited: -32005
} as const

export interface ErrorFields {
  code?: number
  data?: unknown
  cause?: unknown
}

export class ApiError extends Error {
  readonly kind: ErrorKind
  readonly code: number
  readonly data: unknown

  constructor(kind: ErrorKind, message: string, { code = 0, data, cause }: ErrorFields = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'ApiError'
    this.kind = kind
    this.code = code
    this.data = data
  }

  /** The named value of `data`, if that is an object that has it. */
  detail(name: string): unknown {
    return isRecord(this.data) ? this.data[name] : undefined
  }

  /** Seconds to wait before the next try, where the host said so. */
  get retryAfterSecs(): number | undefined {
    const secs = this.detail('retryAfterSecs')
    return typeof secs === 'number' && secs > 0 ? Math.ceil(secs) : undefined
  }

  /** The parameter that was wrong, where the host said so. */
  get field(): string | undefined {
    const field = this.detail('field')
    return typeof field === 'string' ? field : undefined
  }
}

/** Anything that was thrown, as an `ApiError`. */
export function asApiError(thrown: unknown): ApiError {
  if (thrown instanceof ApiError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return new ApiError('broken', message, { cause: thrown })
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A box that is off leaves a call without an answer for ever: after so many milliseconds it counts as away. */
const LONGEST_CALL = 90_000

/** Calls `method` of an API, such as `atek.cloud/services-api`. Missing trailing parameters are left out. */
export async function call<T>(
  api: string,
  method: string,
  params: unknown[] = [],
  signal?: AbortSignal
): Promise<T> {
  const last = params.findLastIndex((param) => param !== undefined)
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: params.slice(0, last + 1) })
  const response = await request(`/_atek/gateway?api=${encodeURIComponent(api)}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
    signal: AbortSignal.any([AbortSignal.timeout(LONGEST_CALL), ...(signal ? [signal] : [])])
  })
  return outcome(await json(response)) as T
}

/** `fetch` whose failures are `ApiError`s; an aborted one throws its `AbortError`. */
export async function request(url: string, init: RequestInit = {}): Promise<Response> {
  let response: Response
  try {
    response = await fetch(url, { credentials: 'same-origin', redirect: 'error', ...init })
  } catch (error) {
    if (init.signal?.aborted && !isTimeout(error)) throw error
    throw new ApiError('unreachable', 'no answer', { cause: error })
  }
  if (response.ok) return response
  throw await refusal(response)
}

const isTimeout = (error: unknown) => error instanceof DOMException && error.name === 'TimeoutError'

/** The result in an envelope; throws the error in it. */
export function outcome(envelope: unknown): unknown {
  if (!isRecord(envelope)) throw new ApiError('broken', 'the answer is not a JSON-RPC response')
  const { error } = envelope
  if (isRecord(error)) {
    const number = typeof error.code === 'number' ? error.code : 0
    const message = typeof error.message === 'string' ? error.message : 'unknown error'
    const kind = number === code.limited ? 'limited' : 'rpc'
    throw new ApiError(kind, message, { code: number, data: error.data })
  }
  if (!('result' in envelope)) throw new ApiError('broken', 'the answer has no result')
  return envelope.result
}

/** What a response says that is no success. */
export async function refusal(response: Response): Promise<ApiError> {
  const body: unknown = await response.json().catch(() => undefined)
  const message = isRecord(body) && typeof body.message === 'string' ? body.message : response.statusText
  if (response.status === 401) return new ApiError('signedOut', message)
  if (response.status === 429) {
    const header = Number(response.headers.get('retry-after'))
    return new ApiError('limited', message, header > 0 ? { data: { retryAfterSecs: header } } : {})
  }
  const away = response.status === 502 || response.status === 503 || response.status === 504
  return new ApiError(away ? 'unreachable' : 'broken', message, { code: response.status, data: body })
}

async function json(response: Response): Promise<unknown> {
  try {
    return await response.json()
  } catch (error) {
    throw new ApiError('broken', 'the answer is not JSON', { cause: error })
  }
}
