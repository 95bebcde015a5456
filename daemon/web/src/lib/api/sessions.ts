/** `atek.cloud/user-sessions-api`. */

import { call } from '../rpc'

const API = 'atek.cloud/user-sessions-api'

export interface Whoami {
  isActive: boolean
  username?: string
  userKey?: string
  /** Empty for who is no administrator. */
  role?: 'admin' | ''
}

export interface Session {
  handle: string
  isCurrent: boolean
  createdAt: string | number
  lastSeenAt: string | number
  device?: string
  userAgent?: string
  address?: string
}

export const whoami = (signal?: AbortSignal) => call<Whoami>(API, 'whoami', [], signal)
export const login = (username: string, password: string) =>
  call<Whoami>(API, 'login', [{ username, password }])
export const logout = () => call<null>(API, 'logout')
export const listSessions = (signal?: AbortSignal) =>
  call<{ sessions: Session[] }>(API, 'listSessions', [], signal)
export const revokeSession = (handle: string) => call<null>(API, 'revokeSession', [handle])
export const revokeOtherSessions = () => call<null>(API, 'revokeOtherSessions')
