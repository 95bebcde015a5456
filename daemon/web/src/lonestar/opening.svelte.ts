/** How apps are opened from this device: by their names, or, where names below the box's do not resolve, by port. */

import type { Addresses, Service } from '../lib/api/services'
import { answers, byName, byPort, forFrame } from './addresses'

/** `null` until it is known. */
let named = $state<boolean | null>(null)
let asking: Promise<boolean> | null = null

/** Asks once whether the name of an app answers; the others' will do the same. */
function ask(addresses: Addresses): Promise<boolean> {
  const name = byName(addresses, location)
  if (name === null || byPort(addresses, location) === null) return Promise.resolve(name !== null)
  // A secure page hears nothing of what another site answers. It is on `localhost`, below which browsers know every
  // name themselves, or behind a proxy with a certificate, and so with a domain.
  if (isSecureContext) return Promise.resolve((named = true))
  asking ??= answers(name).then((answered) => (named = answered))
  return asking
}

const addressesOf = (service: Service): Addresses =>
  service.addresses ?? { subdomain: service.settings.id, port: null, mdns: [], problem: null }

export const opening = {
  /** Finds out early, so that links lead to the right place before they are clicked. */
  prepare(services: readonly Service[]) {
    const [some] = services
    if (some && named === null) void ask(addressesOf(some))
  },
  /** Where a link to the app leads. */
  href(service: Service): string {
    if (service.settings.manifest?.frame) return `/app/${encodeURIComponent(service.settings.id)}`
    return this.direct(service)
  },
  /** The app's own address, without the frame. */
  direct(service: Service): string {
    const addresses = addressesOf(service)
    const [name, port] = [byName(addresses, location), byPort(addresses, location)]
    return (named === false ? (port ?? name) : (name ?? port)) ?? '/'
  },
  /** Opens it in this tab, once it is known where. */
  async open(service: Service) {
    await ask(addressesOf(service))
    location.assign(this.direct(service))
  },
  /** What a frame of it shows; `null` where it can only be opened by itself. */
  async frame(service: Service): Promise<string | null> {
    const addresses = addressesOf(service)
    const url = forFrame(addresses, location, await ask(addresses))
    // A box that is reached through one forwarded port has no others here.
    if (url !== null && url === byPort(addresses, location) && !(await answers(url))) return null
    return url
  },
  /** Whether a click has to wait for `open`. */
  get isKnown(): boolean {
    return named !== null
  }
}
