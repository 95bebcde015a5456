/** An install or an update, as its stream tells it. */

import { job as streamOf, type JobEvent } from '../lib/api/services'
import { ApiError, asApiError, code } from '../lib/rpc'

export interface Line {
  phase: string
  message: string
}

/** Lines to keep: a build that talks much does not fill the memory. */
const KEPT = 200

export class Job {
  /** 0 to 100; `null` while unknown. */
  percent = $state<number | null>(null)
  phase = $state('')
  lines = $state.raw<readonly Line[]>([])
  error = $state.raw<ApiError | null>(null)
  result = $state.raw<unknown>(undefined)
  state = $state<'running' | 'done' | 'failed'>('running')
  #stop = new AbortController()

  /** Follows the job to its end. A connection that breaks before is an error: the job itself goes on. */
  async follow(name: string): Promise<void> {
    try {
      for await (const event of streamOf(name, this.#stop.signal)) this.#take(event)
      if (this.state === 'running') throw new ApiError('unreachable', 'the stream ended early')
    } catch (thrown) {
      if (this.#stop.signal.aborted) return
      this.error = asApiError(thrown)
      this.state = 'failed'
    }
  }

  stop() {
    this.#stop.abort()
  }

  #take(event: JobEvent) {
    if (event.event === 'progress') {
      this.phase = event.phase
      this.percent = event.percent ?? null
      this.lines = [...this.lines.slice(1 - KEPT), { phase: event.phase, message: event.message }]
    } else if (event.event === 'done') {
      this.result = event.result
      this.state = 'done'
    } else {
      const { code: number, message, data } = event.error
      this.error = new ApiError(number === code.limited ? 'limited' : 'rpc', message, { code: number, data })
      this.state = 'failed'
    }
  }
}
