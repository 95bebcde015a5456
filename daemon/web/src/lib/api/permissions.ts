/** `atek.cloud/permissions-api`. */

import { call } from '../rpc'
import type {
  Answer,
  AnswerParams,
  AuditPage,
  AuditParams,
  AuditRow,
  GrantInfo,
  GrantParams,
  GroupInfo,
  GroupParams,
  Level,
  PendingRequest,
  ShareInfo,
  ShareParams,
  Verdict
} from './types'

export type {
  Answer,
  AuditRow as Deed,
  GrantInfo as Grant,
  GroupInfo as Group,
  Level,
  PendingRequest,
  Verdict
}

const API = 'atek.cloud/permissions-api'

export interface People {
  users: { username: string; displayName: string | null }[]
  groups: string[]
}

export const grants = (signal?: AbortSignal) =>
  call<{ grants: GrantInfo[] }>(API, 'list', [], signal).then(({ grants }) => grants)
export function decide(service: string, permission: string, verdict: Verdict, seconds?: number) {
  const params: GrantParams = { service, permission, verdict, ...(seconds !== undefined && { seconds }) }
  return call<{ id: string }>(API, 'grant', [params])
}
export const activity = (params: Partial<AuditParams>, signal?: AbortSignal) =>
  call<AuditPage>(API, 'audit', [params], signal)
export const revoke = (id: string) => call<null>(API, 'revoke', [id])
export const pending = (signal?: AbortSignal) =>
  call<{ requests: PendingRequest[] }>(API, 'pending', [], signal).then(({ requests }) => requests)
export function answer(id: string, answer: Answer, pick?: string) {
  const params: AnswerParams = { answer, ...(pick !== undefined && { pick }) }
  return call<{ id: string }>(API, 'answer', [id, params])
}

export const shares = (signal?: AbortSignal) =>
  call<{ shares: ShareInfo[] }>(API, 'shares', [], signal).then(({ shares }) => shares)
/** What can be shared. */
export type Shareable = { service: string } | { database: string }
export function share(what: Shareable, level: Level, to: { user: string } | { group: string }) {
  const params: ShareParams = { ...what, level, ...to }
  return call<{ id: string }>(API, 'share', [params])
}
export const unshare = (id: string) => call<null>(API, 'unshare', [id])
export const people = (signal?: AbortSignal) => call<People>(API, 'people', [], signal)

export const groups = (signal?: AbortSignal) =>
  call<{ groups: GroupInfo[] }>(API, 'groups', [], signal).then(({ groups }) => groups)
export function putGroup(name: string, members: readonly string[], key?: string) {
  const params: GroupParams = { name, members: [...members], ...(key !== undefined && { key }) }
  return call<{ key: string }>(API, 'putGroup', [params])
}
export const removeGroup = (key: string) => call<null>(API, 'removeGroup', [key])
