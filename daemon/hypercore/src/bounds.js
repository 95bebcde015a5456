/**
 * Says in the log which bound was reached, and by whom. What other homes do again and again is said once in a while, with how often it was.
 */

/** How long the same is not said again, in milliseconds; how many different things are remembered. */
const PAUSE = 60_000
const MOST = 256

/** @type {Map<string, {at: number, more: number}>} by what it is about */
const said = new Map()

/**
 * @param {string} about what was reached and where; strangers have no part in it, as they would fill the log under ever new keys
 * @param {string} text the sentence
 */
export function reached (about, text) {
  const now = Date.now()
  const last = said.get(about)
  if (last && now - last.at < PAUSE) {
    last.more++
    return
  }
  said.delete(about)
  if (said.size >= MOST) said.delete(said.keys().next().value)
  said.set(about, { at: now, more: 0 })
  console.error(last?.more ? `${text} (${last.more} times more since it was said)` : text)
}

/** The first digits of a public key, as people are shown it. */
export const short = key => (typeof key === 'string' ? key : key.toString('hex')).slice(0, 8)
