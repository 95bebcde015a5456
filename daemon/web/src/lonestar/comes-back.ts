/** Waits for a box that restarts. */

/** How often it is asked whether the box is back. A small machine restarts in a second or two. */
const EVERY = 500
/** After so long something is wrong: a restart takes a minute on a Raspberry Pi. */
const LONGEST = 180_000

/** Done once the box was away and answers again. `onlate` is called when it takes too long. */
export function comesBack(onlate: () => void): Promise<void> {
  let wasAway = false
  return becomes(async () => {
    const isThere = await answers()
    if (isThere && wasAway) return true
    wasAway ||= !isThere
    return false
  }, onlate)
}

/** Done once `is` says so. */
export async function becomes(is: () => Promise<boolean>, onlate: () => void): Promise<void> {
  const begun = performance.now()
  do {
    await new Promise((resolve) => setTimeout(resolve, EVERY))
    if (performance.now() - begun > LONGEST) onlate()
  } while (!(await is()))
}

async function answers(): Promise<boolean> {
  const signal = AbortSignal.timeout(5000)
  const init: RequestInit = { cache: 'no-store', redirect: 'manual', signal }
  const answer = await fetch('/_atek/login', init).catch(() => null)
  return answer !== null && answer.status < 500
}
