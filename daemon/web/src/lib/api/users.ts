/** `atek.cloud/users-api`. */

import { call } from '../rpc'
import type { DeleteParams, OpenKeys, PasswordChange, PasswordSet, Role, User } from './types'

const API = 'atek.cloud/users-api'

export type { DeleteParams, User } from './types'

/** A role as the forms name it. */
export type RoleName = 'admin' | 'user'

/** The host's rule for names: letters of any script. */
export const isUsername = (name: string) =>
  /^[\p{L}\p{N}._-]{3,64}$/u.test(name) && name.toLowerCase() !== 'system'

export const isAdmin = (user: User) => user.role === 'admin'

// The API knows no other role than "admin": the rest have none.
const wire = (role: RoleName): Role => (role === 'admin' ? 'admin' : '')

export const list = (signal?: AbortSignal) => call<{ users: User[] }>(API, 'list', [], signal)
export const create = (username: string, displayName: string, password: string, role: RoleName) =>
  call<User>(API, 'create', [{ username, password, role: wire(role), ...(displayName && { displayName }) }])
/** The empty text removes it. */
export const setDisplayName = (key: string, displayName: string) =>
  call<User>(API, 'update', [key, { displayName }])
export const rename = (key: string, username: string) => call<User>(API, 'update', [key, { username }])
export const setRole = (key: string, role: RoleName) => call<User>(API, 'update', [key, { role: wire(role) }])
/** Without `old` only an administrator may, and the user's sessions end. */
export const setPassword = (key: string, password: PasswordChange) =>
  call<PasswordSet>(API, 'setPassword', [key, password])
/** Opens keys that stayed locked with a new password. */
export const openKeys = (key: string, how: OpenKeys) => call<null>(API, 'openKeys', [key, how])
export const remove = (key: string, services: DeleteParams) => call<null>(API, 'delete', [key, services])
