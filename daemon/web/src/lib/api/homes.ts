/** `atek.cloud/hypercore-api`: databases shared with other homes, and devices that reach the box from elsewhere. */

import { call } from '../rpc'

const API = 'atek.cloud/hypercore-api'

/** A link to a database of this box. */
export interface Link {
  id: string
  dbId: string
  access: 'link' | 'public'
  label: string
  link: string
  createdAt: string
  /** Homes that are connected now. */
  peers?: number
  sentBytes?: number
  error?: string
}

/** A database of another home, of which this box has a copy. */
export interface Followed {
  id: string
  dbId: string
  label: string
  createdAt: string
  lastSeen?: string
  peers?: number
  receivedBytes?: number
  error?: string
}

export interface Device {
  id: string
  label: string
  createdAt: string
  lastSeen?: string
  inBytes: number
  outBytes: number
  connections: number
}

export const links = (signal?: AbortSignal) => call<Link[]>(API, 'shares', [], signal)
export const endLink = (id: string) => call<null>(API, 'unshare', [id])
export const follows = (signal?: AbortSignal) => call<Followed[]>(API, 'follows', [], signal)
export const follow = (link: string) => call<Followed>(API, 'follow', [link.trim()])
export const unfollow = (id: string) => call<null>(API, 'unfollow', [id])
export const devices = (signal?: AbortSignal) => call<Device[]>(API, 'devices', [], signal)
export const unpair = (id: string) => call<null>(API, 'unpairDevice', [id])
/** The link is in this answer, and in no other. */
export const pair = (label: string) => call<Device & { link: string }>(API, 'pairDevice', [{ label }])

/** Lets a database of the caller be read by who has the link that this gives. */
export async function shareDatabase(dbId: string, label: string): Promise<Link> {
  await call('atek.cloud/adb-api', 'adminEditDbConfig', [dbId, { replicated: true }])
  return call<Link>(API, 'share', [dbId, { label }])
}
