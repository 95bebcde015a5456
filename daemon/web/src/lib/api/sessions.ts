/** `atek.cloud/user-sessions-api`. */

import { call } from '../rpc'
import type { Credentials, SessionInfo, UserSession } from './types'

const API = 'atek.cloud/user-sessions-api'

export type { SessionInfo as Session } from './types'

export const whoami = (signal?: AbortSignal) => call<UserSession>(API, 'whoami', [], signal)
export const login = (credentials: Credentials) => call<UserSession>(API, 'login', [credentials])
export const logout = () => call<null>(API, 'logout')
export const listSessions = (signal?: AbortSignal) =>
  call<{ sessions: SessionInfo[] }>(API, 'listSessions', [], signal)
export const revokeSession = (handle: string) => call<null>(API, 'revokeSession', [handle])
export const revokeOtherSessions = () => call<null>(API, 'revokeOtherSessions')
