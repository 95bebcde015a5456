/** Something that is asked of the host: under way, failed, or done. */

import { ApiError, asApiError } from './rpc'

/** What a page loads. `load` can run again; only the newest answer counts. */
export class Loaded<T> {
  value = $state.raw<T | null>(null)
  error = $state.raw<ApiError | null>(null)
  busy = $state(false)
  #fetch: (signal: AbortSignal) => Promise<T>
  #running: AbortController | null = null

  constructor(fetch: (signal: AbortSignal) => Promise<T>) {
    this.#fetch = fetch
  }

  /** Asks (again). What was shown stays until the answer comes. */
  async load(): Promise<void> {
    this.#running?.abort()
    const running = new AbortController()
    this.#running = running
    this.busy = true
    try {
      const value = await this.#fetch(running.signal)
      if (running.signal.aborted) return
      this.value = value
      this.error = null
    } catch (thrown) {
      if (running.signal.aborted) return
      this.error = asApiError(thrown)
    }
    this.busy = false
  }

  stop() {
    this.#running?.abort()
  }
}

/** What a person sets off. Only one at a time; the next try clears the last failure. */
export class Action<A extends unknown[]> {
  busy = $state(false)
  error = $state.raw<ApiError | null>(null)
  #work: (...args: A) => Promise<void>

  constructor(work: (...args: A) => Promise<void>) {
    this.#work = work
  }

  /** Whether it was done. */
  async run(...args: A): Promise<boolean> {
    if (this.busy) return false
    this.busy = true
    this.error = null
    try {
      await this.#work(...args)
      return true
    } catch (thrown) {
      this.error = asApiError(thrown)
      return false
    } finally {
      this.busy = false
    }
  }
}
