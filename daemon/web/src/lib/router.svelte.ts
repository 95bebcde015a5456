/** Which page is shown, by the browser's own history. */

/** The values of a route's `:names`. */
export type Params = Record<string, string>

export interface Match<R> {
  route: R
  params: Params
}

/**
 * The first route whose pattern fits. A pattern has plain parts and `:names`; the last may be `*`, which takes
 * what is left. `null` when none fits.
 */
export function matchRoute<R extends { path: string }>(routes: readonly R[], path: string): Match<R> | null {
  for (const route of routes) {
    const params = matchPattern(route.path, path)
    if (params) return { route, params }
  }
  return null
}

function matchPattern(pattern: string, path: string): Params | null {
  const wanted = parts(pattern)
  const given = parts(path)
  const params: Params = {}
  for (const [index, part] of wanted.entries()) {
    if (part === '*') {
      params['*'] = given.slice(index).join('/')
      return params
    }
    const value = decoded(given[index])
    if (value === null) return null
    if (part.startsWith(':')) params[part.slice(1)] = value
    else if (part !== value) return null
  }
  return wanted.length === given.length ? params : null
}

function parts(path: string): string[] {
  return path.split('/').filter((part) => part !== '')
}

function decoded(part: string | undefined): string | null {
  try {
    return part === undefined ? null : decodeURIComponent(part)
  } catch {
    return null
  }
}

class Router {
  #url = $state.raw(new URL(globalThis.location?.href ?? 'http://localhost/'))

  get path(): string {
    return this.#url.pathname
  }

  get query(): URLSearchParams {
    return this.#url.searchParams
  }

  /** Shows another page. With `replace`, "back" does not come here again. */
  go(to: string, { replace = false } = {}) {
    const url = new URL(to, location.href)
    if (url.href === this.#url.href) return
    if (replace) history.replaceState(null, '', url)
    else history.pushState(null, '', url)
    this.#url = url
    if (!replace) scrollTo(0, 0)
  }

  /** Follows the links and the history of this document. `isOurs` says which paths are pages of this router. */
  start(isOurs: (path: string) => boolean) {
    addEventListener('popstate', () => (this.#url = new URL(location.href)))
    document.addEventListener('click', (event) => {
      const link = event.target instanceof Element ? event.target.closest('a') : null
      if (!link || event.defaultPrevented || !isPlain(event) || link.target || link.hasAttribute('download'))
        return
      const url = new URL(link.href, location.href)
      if (url.origin !== location.origin || !isOurs(url.pathname)) return
      if (url.pathname === location.pathname && url.hash) return
      event.preventDefault()
      this.go(url.href)
    })
  }
}

/** A click that asks for nothing else, such as another tab. */
function isPlain(event: MouseEvent): boolean {
  return event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey
}

export const router = new Router()
