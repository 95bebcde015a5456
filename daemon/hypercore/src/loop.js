/** A task that goes on until it is stopped, and starts again after a failure, with a growing pause. */

const FIRST = 500
const LONGEST = 60_000

export class Loop {
  /**
   * @param {(signal: AbortSignal, working: () => void) => Promise<void>} round runs until it fails or `signal` is aborted;
   *   calls `working` when something succeeded
   * @param {(error: Error) => void} onerror
   */
  constructor (round, onerror) {
    this.gone = new AbortController()
    this.done = this.run(round, onerror)
  }

  async run (round, onerror) {
    const { signal } = this.gone
    let pause = FIRST
    while (!signal.aborted) {
      try {
        await round(signal, () => { pause = FIRST })
      } catch (error) {
        if (signal.aborted) break
        onerror(error)
        await sleep(pause, signal)
        pause = Math.min(pause * 2, LONGEST)
      }
    }
  }

  stop () {
    this.gone.abort()
    return this.done
  }
}

export function sleep (milliseconds, signal) {
  return new Promise(resolve => {
    const timer = setTimeout(end, milliseconds)
    function end () {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    signal.addEventListener('abort', end)
  })
}
