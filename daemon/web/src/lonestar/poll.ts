import { untrack } from 'svelte'

/** Runs `work` again and again while the page is seen; ends with the component whose `$effect` returns it. */
export function poll(work: () => Promise<unknown>, everyMs: number): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined
  let stopped = false

  async function round() {
    clearTimeout(timer)
    // What the work reads is not what the effect depends on.
    if (document.visibilityState === 'visible') await untrack(work)
    if (!stopped) timer = setTimeout(() => void round(), everyMs)
  }

  const seen = () => {
    if (document.visibilityState === 'visible') void round()
  }
  document.addEventListener('visibilitychange', seen)
  void round()
  return () => {
    stopped = true
    clearTimeout(timer)
    document.removeEventListener('visibilitychange', seen)
  }
}
