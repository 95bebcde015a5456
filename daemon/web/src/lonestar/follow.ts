import { untrack } from 'svelte'
import * as updates from '../lib/api/updates'

/** The pause after the host could not be asked. */
const PAUSE_MS = 5000

/**
 * Runs `work` now, and again whenever the host says that something about updates is new, while the
 * page is seen; ends with the component whose `$effect` returns it.
 */
export function followUpdates(work: () => Promise<unknown>): () => void {
  const ended = new AbortController()

  async function follow() {
    let revision: number | undefined
    while (!ended.signal.aborted) {
      await seen(ended.signal)
      try {
        const next = (await updates.changed(revision, ended.signal)).revision
        // What the work reads is not what the effect depends on.
        if (next !== revision) await untrack(work)
        revision = next
      } catch {
        // The work itself says what is wrong with the host.
        if (!ended.signal.aborted) await untrack(work)
        await pause(ended.signal)
      }
    }
  }

  void follow()
  return () => {
    ended.abort()
  }
}

/** Waits until the page is seen. */
function seen(ended: AbortSignal): Promise<void> {
  if (document.visibilityState === 'visible') return Promise.resolve()
  return new Promise((resolve) => {
    const look = () => {
      if (document.visibilityState !== 'visible' && !ended.aborted) return
      document.removeEventListener('visibilitychange', look)
      resolve()
    }
    document.addEventListener('visibilitychange', look)
    ended.addEventListener('abort', look, { once: true })
  })
}

function pause(ended: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, PAUSE_MS)
    ended.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        resolve()
      },
      { once: true }
    )
  })
}
