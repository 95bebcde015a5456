/** A task that goes on until it is stopped, and starts again after a failure, with a growing pause. */

const FIRST = 500
const LONGEST = 60_000

export class Loop {
  /**
   * @param {(signal: AbortSignal, working: () => void) => Promise<void>} round runs until it fails or `signal` is aborted;
   *   calls `working` when something succeeded
   * @param {(error: Error) => void} onerror
   * @param {import('./network.js').Network} [network] when it is back, the pause after a failure is over
   */
  constructor (round, onerror, network) {
    this.network = network
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
        pause = await sleepUntilBack(pause, signal, this.network) ? FIRST : Math.min(pause * 2, LONGEST)
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

/**
 * Sleeps, but no longer than until the network is back.
 * @returns {Promise<boolean>} whether it came back
 */
export async function sleepUntilBack (milliseconds, signal, network) {
  if (!network) return sleep(milliseconds, signal).then(() => false)
  const woken = new AbortController()
  let isBack = false
  const back = () => { isBack = true; woken.abort() }
  const end = () => woken.abort()
  network.once('back', back)
  signal.addEventListener('abort', end)
  await sleep(milliseconds, woken.signal)
  network.off('back', back)
  signal.removeEventListener('abort', end)
  return isBack
}
