/** The lines of an app's log, as they come. */

import { logs, type Level, type LogEntry } from '../lib/api/services'
import { asApiError, type ApiError } from '../lib/rpc'

export const spans = { all: null, day: 86_400, hour: 3600, quarter: 900 } as const
export type Span = keyof typeof spans

/** Lines that are asked for at first, and that are kept. */
const FIRST = 500
export const KEPT = 2000

export interface Line extends LogEntry {
  /** Counts up; a cursor need not be unique in two streams. */
  key: number
}

export class LogView {
  lines = $state.raw<readonly Line[]>([])
  error = $state.raw<ApiError | null>(null)
  /** The stream ended by itself, or could not begin. */
  ended = $state(false)
  loading = $state(true)
  #next = 0
  #waiting: LogEntry[] = []
  #flush: number | undefined

  /** Reads until `signal`. */
  async read(id: string, level: Level, span: Span, follow: boolean, signal: AbortSignal) {
    this.lines = []
    this.error = null
    this.ended = false
    this.loading = true
    const seconds = spans[span]
    const query = { level, lines: FIRST, follow, ...(seconds !== null && { since: `-${seconds}` }) }
    try {
      // A log that says nothing yet sends nothing: after a moment it counts as empty.
      const quiet = setTimeout(() => (this.loading = false), 700)
      signal.addEventListener('abort', () => clearTimeout(quiet))
      for await (const entry of logs(id, query, signal)) this.#take(entry)
      this.#show()
      this.ended = follow
    } catch (thrown) {
      if (signal.aborted) return
      this.#show()
      this.error = asApiError(thrown)
      this.ended = true
    }
    this.loading = false
  }

  /** Lines come in bursts: they are shown a frame at a time. */
  #take(entry: LogEntry) {
    this.#waiting.push(entry)
    this.#flush ??= requestAnimationFrame(() => this.#show())
  }

  #show() {
    if (this.#flush !== undefined) cancelAnimationFrame(this.#flush)
    this.#flush = undefined
    if (this.#waiting.length === 0) return
    const added = this.#waiting.map((entry) => ({ ...entry, key: this.#next++ }))
    this.#waiting = []
    this.lines = [...this.lines, ...added].slice(-KEPT)
    this.loading = false
  }
}
