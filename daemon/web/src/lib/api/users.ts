/** `atek.cloud/users-api`. */

import { call } from '../rpc'

const API = 'atek.cloud/users-api'

export type Role = 'admin' | 'user'

export interface User {
  key: string
  username: string
  /** How the person is called, in any script; the user name where there is none. */
  displayName?: string
  /** The host leaves it out, or empty, for people who are no administrators. */
  role?: Role | ''
}

/** What becomes of a deleted user's apps, and with them of the apps' data. */
export type Services = { services: 'refuse' } | { services: 'uninstall' } | { services: 'give'; to: string }

/** The host's rule for names: letters of any script. */
export const isUsername = (name: string) =>
  /^[\p{L}\p{N}._-]{3,64}$/u.test(name) && name.toLowerCase() !== 'system'

export const isAdmin = (user: User) => user.role === 'admin'

// The host knows no other role than "admin": the rest have none.
const wire = (role: Role) => (role === 'admin' ? 'admin' : '')

export const list = (signal?: AbortSignal) => call<{ users: User[] }>(API, 'list', [], signal)
export const create = (username: string, displayName: string, password: string, role: Role) =>
  call<User>(API, 'create', [{ username, password, role: wire(role), ...(displayName && { displayName }) }])
/** The empty text removes it. */
export const setDisplayName = (key: string, displayName: string) =>
  call<User>(API, 'update', [key, { displayName }])
export const rename = (key: string, username: string) => call<User>(API, 'update', [key, { username }])
export const setRole = (key: string, role: Role) => call<User>(API, 'update', [key, { role: wire(role) }])
/** Without `old` only an administrator may, and the user's sessions end. */
export const setPassword = (key: string, password: { old?: string; new: string }) =>
  call<null>(API, 'setPassword', [key, password])
export const remove = (key: string, services: Services) => call<null>(API, 'delete', [key, services])
