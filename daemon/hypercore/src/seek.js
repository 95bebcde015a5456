/**
 * Looks for peers of a topic again and again while there are none.
 *
 * A swarm looks once, and then every ten minutes. That is too late for a home that comes after the one that waits for it: its
 * announcement may be under way while the other one looks, or it was without power at that time. When the own network is back, it
 * looks at once.
 */

import { sleepUntilBack } from './loop.js'

/** Pause after the first look, and how often it is seen whether a peer is still there, in milliseconds. */
const FIRST = 1000
const CHECK = 5000

export class Seek {
  /**
   * @param {object} how
   * @param {import('./network.js').Network} how.network
   * @param {() => Promise<any>} how.look looks once
   * @param {() => boolean} how.found whether there is a peer
   * @param {number} how.longest the longest pause, in milliseconds
   */
  constructor ({ network, look, found, longest }) {
    this.network = network
    this.gone = new AbortController()
    /** Ends the pause in which a peer is taken to be there. */
    this.lost = () => {}
    this.run(look, found, longest)
  }

  async run (look, found, longest) {
    const { signal } = this.gone
    let pause = FIRST
    while (!signal.aborted) {
      if (found()) {
        pause = FIRST
        await this.untilLost(signal)
        continue
      }
      // Homes that lost the same peer do not all look at once.
      if (await sleepUntilBack(pause * (0.5 + Math.random()), signal, this.network)) pause = FIRST
      if (signal.aborted || found()) continue
      // A look fails without a network; the next one is later.
      await look().catch(() => {})
      pause = Math.min(pause * 2, longest)
    }
  }

  async untilLost (signal) {
    const lost = new AbortController()
    this.lost = () => lost.abort()
    signal.addEventListener('abort', this.lost)
    await sleepUntilBack(CHECK, lost.signal, this.network)
    signal.removeEventListener('abort', this.lost)
  }

  stop () {
    this.gone.abort()
  }
}
