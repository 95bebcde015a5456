/** Where to go after signing in. No DOM. */

/**
 * The wanted path, if it is one of this origin's; the home page otherwise. `//evil.test`, `/\evil.test` and
 * `javascript:` lead elsewhere; the bind flow's `/_atek/bind-session?…` is a path of ours like any other.
 */
export function destination(query: string, origin: string): string {
  const wanted = new URLSearchParams(query).get('redirect') ?? '/'
  if (!/^\/(?![/\\])/.test(wanted)) return '/'
  try {
    const url = new URL(wanted, origin)
    // A login that leads to itself would go round for ever.
    if (url.origin !== origin || /^\/_atek\/login(\/|$)/.test(url.pathname)) return '/'
    return url.pathname + url.search + url.hash
  } catch {
    return '/'
  }
}

/** The app that waits behind the bind flow, if it is one. */
export function waitingApp(path: string, origin: string): string | null {
  const url = new URL(path, origin)
  return url.pathname === '/_atek/bind-session' ? url.searchParams.get('service') : null
}
