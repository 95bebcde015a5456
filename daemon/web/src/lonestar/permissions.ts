/** Permissions as single switches, in the person's language. No DOM. */

import type { Permissions } from '../lib/api/services'
import { isRecord } from '../lib/rpc'

/** The sentences; each completes "this app may". */
export interface PermissionTexts {
  hosts: (names: string) => string
  direct: string
  directLan: string
  device(path: string): string
  listen(port: string): string
  mdns: string
  provides(api: string): string
  root: string
  apis: Readonly<Record<string, string>>
  api: (id: string) => string
}

/** One thing that an app may do, granted or refused by itself. */
export interface Permission {
  /** The same in every set that has it: `host:a.example.org`, `direct`, `lan`, `api:atek.cloud/users-api`. */
  id: string
  words: string
}

/**
 * The single permissions of `set`. `null` where this page does not know everything in it: then only all or
 * nothing can be granted, in the host's own words.
 */
export function permissionsOf(
  set: Readonly<Record<string, unknown>>,
  texts: PermissionTexts
): readonly Permission[] | null {
  const { network, hostApis, devices, listen, mdns, provides, root, ...unknown } = set
  const found = [
    networkPermissions(network, texts),
    apiPermissions(hostApis, texts),
    devicePermissions(devices, texts),
    portPermissions(listen, texts),
    multicastPermission(mdns, texts),
    providedApis(provides, texts),
    rootPermission(root, texts)
  ]
  if (Object.keys(unknown).length > 0 || found.includes(null)) return null
  return found.flatMap((some) => some ?? [])
}

function networkPermissions(network: unknown, texts: PermissionTexts): Permission[] | null {
  if (network === undefined) return []
  const direct = { id: 'direct', words: texts.direct }
  if (network === 'direct') return [direct]
  if (!isRecord(network) || Object.keys(network).length !== 1) return null
  const { hosts, direct: wider } = network
  if (Array.isArray(hosts) && hosts.every((host) => typeof host === 'string')) {
    return hosts.map((host) => ({ id: `host:${host}`, words: texts.hosts(host) }))
  }
  if (isRecord(wider) && Object.keys(wider).every((name) => name === 'lan')) {
    // The local network comes with the internet, never alone: two switches, of which one implies the other.
    return wider.lan === true ? [direct, { id: 'lan', words: texts.directLan }] : [direct]
  }
  return null
}

function apiPermissions(apis: unknown, texts: PermissionTexts): Permission[] | null {
  if (apis === undefined) return []
  if (!Array.isArray(apis) || !apis.every((api) => typeof api === 'string')) return null
  return apis.map((api: string) => ({
    id: `api:${api}`,
    words: (Object.hasOwn(texts.apis, api) ? texts.apis[api] : undefined) ?? texts.api(api)
  }))
}

function devicePermissions(devices: unknown, texts: PermissionTexts): Permission[] | null {
  if (devices === undefined) return []
  if (!Array.isArray(devices) || !devices.every((device) => typeof device === 'string')) return null
  return devices.map((device: string) => ({ id: `device:${device}`, words: texts.device(device) }))
}

function portPermissions(ports: unknown, texts: PermissionTexts): Permission[] | null {
  if (ports === undefined) return []
  if (!Array.isArray(ports) || !ports.every((port) => typeof port === 'string')) return null
  return ports.map((port: string) => ({ id: `listen:${port}`, words: texts.listen(port) }))
}

function multicastPermission(mdns: unknown, texts: PermissionTexts): Permission[] | null {
  if (mdns === undefined || mdns === false) return []
  return mdns === true ? [{ id: 'mdns', words: texts.mdns }] : null
}

function providedApis(apis: unknown, texts: PermissionTexts): Permission[] | null {
  if (apis === undefined) return []
  if (!Array.isArray(apis) || !apis.every((api) => typeof api === 'string')) return null
  return apis.map((api: string) => ({ id: `provides:${api}`, words: texts.provides(api) }))
}

function rootPermission(root: unknown, texts: PermissionTexts): Permission[] | null {
  if (root === undefined) return []
  return root === true ? [{ id: 'root', words: texts.root }] : null
}

/** The set that holds exactly these permissions. */
export function permissionSet(ids: Iterable<string>): Permissions {
  const hosts: string[] = []
  const hostApis: string[] = []
  const devices: string[] = []
  const listen: string[] = []
  const provides: string[] = []
  let direct = false
  let lan = false
  let root = false
  let mdns = false
  for (const id of ids) {
    if (id.startsWith('host:')) hosts.push(id.slice(5))
    else if (id.startsWith('api:')) hostApis.push(id.slice(4))
    else if (id.startsWith('device:')) devices.push(id.slice(7))
    else if (id.startsWith('listen:')) listen.push(id.slice(7))
    else if (id.startsWith('provides:')) provides.push(id.slice(9))
    else if (id === 'direct') direct = true
    else if (id === 'lan') lan = true
    else if (id === 'root') root = true
    else if (id === 'mdns') mdns = true
  }
  const network = lan
    ? { direct: { lan: true } }
    : direct
      ? 'direct'
      : hosts.length > 0
        ? { hosts }
        : undefined
  return {
    ...(network && { network }),
    ...(hostApis.length > 0 && { hostApis }),
    ...(devices.length > 0 && { devices }),
    ...(listen.length > 0 && { listen }),
    ...(mdns && { mdns }),
    ...(provides.length > 0 && { provides }),
    ...(root && { root })
  }
}

/** The sentences for `set`; the host's own `words` where this page does not know everything in it. */
export function permissionWords(
  set: Readonly<Record<string, unknown>>,
  words: readonly string[],
  texts: PermissionTexts
): readonly string[] {
  const known = permissionsOf(set, texts)
  return known && (known.length > 0 || words.length === 0) ? known.map(({ words }) => words) : words
}
