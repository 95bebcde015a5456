/** At which of its addresses an app is opened. No DOM but `fetch`. */

import type { Addresses } from '../lib/api/services'

/** How long a name may take to resolve and answer, in milliseconds. */
const PATIENCE = 1500

export interface Here {
  protocol: string
  hostname: string
  port: string
}

/** Names below an address by number do not exist. */
export function isNumeric(hostname: string): boolean {
  return /^\d+(\.\d+){3}$/.test(hostname) || hostname.startsWith('[')
}

/** `http://rss.atek.local/`; `null` where the page itself was opened by number. */
export function byName({ subdomain }: Addresses, { protocol, hostname, port }: Here): string | null {
  if (!subdomain || isNumeric(hostname)) return null
  return `${protocol}//${subdomain}.${hostname}${port && `:${port}`}/`
}

/** `http://atek.local:8101/`; `null` where the app has no port. */
export function byPort({ port }: Addresses, { hostname }: Here): string | null {
  return port === null ? null : `http://${hostname}:${port}/`
}

/**
 * The names that the box announces to the network around it. On `localhost` the box is a program of this
 * computer, and the network around it is not this computer's.
 */
export function announced({ mdns }: Addresses, { hostname, port }: Here): string[] {
  if (hostname === 'localhost') return []
  return mdns.map((name) => `http://${name}${port && `:${port}`}/`)
}

/**
 * Where an app's frame points. Its session's cookie comes along only from the same site, and `rss.localhost` is
 * another site than `localhost`: there, and at a number, it is the port.
 */
export function forFrame(addresses: Addresses, here: Here, named: boolean): string | null {
  const name = byName(addresses, here)
  const port = byPort(addresses, here)
  return here.hostname.includes('.') && named ? (name ?? port) : (port ?? name)
}

/** Whether anything answers there. What it answers is not ours to see. */
export async function answers(url: string): Promise<boolean> {
  try {
    await fetch(url, {
      mode: 'no-cors',
      credentials: 'omit',
      cache: 'no-store',
      signal: AbortSignal.timeout(PATIENCE)
    })
    return true
  } catch {
    return false
  }
}
