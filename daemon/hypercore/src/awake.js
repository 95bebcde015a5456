/**
 * Whether the host keeps this service running.
 *
 * It sleeps until it is called while nothing is shared, followed or paired. As soon as something is, the host
 * is told to keep it, also over a restart of the box.
 */

const API = 'atek.cloud/services-api'
/** Pause before the host is told again that could not be told, in milliseconds. */
const AGAIN = 5000

export class Awake {
  /**
   * @param {object} deps
   * @param {import('./adb.js').Adb} deps.adb
   * @param {() => boolean} deps.wanted
   */
  constructor ({ adb, wanted }) {
    this.adb = adb
    this.wanted = wanted
    this.told = null
    this.telling = false
    this.timer = null
  }

  async update () {
    clearTimeout(this.timer)
    if (this.telling || this.told === this.wanted()) return
    this.telling = true
    const wanted = this.wanted()
    try {
      await this.adb.call('setAwake', [wanted], undefined, API)
      this.told = wanted
    } catch (error) {
      console.error(`cannot tell the host to ${wanted ? 'keep this service running' : 'let it sleep'}, and try again: ${error.message}`)
      this.timer = setTimeout(() => this.update(), AGAIN)
      return
    } finally {
      this.telling = false
    }
    this.update()
  }

  close () {
    clearTimeout(this.timer)
  }
}
