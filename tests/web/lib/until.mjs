// The one way to wait for what no locator can say: with a deadline, and with the last thing seen in the message.

/** How long something may take on a machine that has much else to do. */
const PATIENCE = 45_000
const PAUSE = 50

/** Looks again and again until `look` gives something true, which is returned; `what` completes "waiting for …". */
export async function until(what, look, patience = PATIENCE) {
  const deadline = performance.now() + patience
  for (;;) {
    const seen = await look()
    if (seen) return seen
    if (performance.now() > deadline) throw new Error(`timed out waiting for ${what}; last seen: ${JSON.stringify(seen)}`)
    await new Promise(resolve => setTimeout(resolve, PAUSE))
  }
}
