/** `atek.cloud/hypercore-api`: databases shared with other homes, their people, and devices that reach the box from elsewhere. */

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

/** A person of another home. */
export interface Contact {
  id: string
  label: string
  /** How the person calls itself. */
  theirName?: string
  status: 'looking' | 'asks' | 'waiting' | 'confirmed'
  /** Both people see the same one. */
  number?: string
  connected?: boolean
  lastSeen?: string
  calls: number
  grants: { api: string; since: string }[]
  error?: string
}

/** A link by which a person of another home becomes a contact. */
export interface Invitation {
  id: string
  label: string
  createdAt: string
  expiresAt: string
}

export const contacts = (signal?: AbortSignal) => call<Contact[]>(API, 'contacts', [], signal)
export const invitations = (signal?: AbortSignal) => call<Invitation[]>(API, 'invitations', [], signal)
/** The link is in this answer, and in no other. */
export const invite = (label: string, name: string) =>
  call<Invitation & { link: string }>(API, 'inviteContact', [{ label, name }])
export const cancelInvitation = (id: string) => call<null>(API, 'cancelInvitation', [id])
export const addContact = (link: string, name: string) =>
  call<Contact>(API, 'addContact', [link.trim(), { name }])
export const confirmContact = (id: string) => call<Contact>(API, 'confirmContact', [id])
export const removeContact = (id: string) => call<null>(API, 'removeContact', [id])
export const allowContact = (id: string, api: string) => call<Contact>(API, 'allowContact', [id, api])
export const denyContact = (id: string, api: string) => call<Contact>(API, 'denyContact', [id, api])
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
