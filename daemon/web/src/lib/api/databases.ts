/** `atek.cloud/adb-api`: databases and their records. */

import { call } from '../rpc'

const API = 'atek.cloud/adb-api'

export interface Database {
  dbId: string
  isServerDb: boolean
  writable?: boolean
  owner?: { userKey?: string; serviceKey?: string }
  alias?: string
  access?: 'public' | 'private'
  createdAt?: string
  /** Shown to the owner and to administrators. */
  usage?: { bytes: number; records: number; blobs: number; blobBytes: number; seq: number }
}

export type Json = Record<string, unknown>

export interface Entry {
  /** The path below the one that was asked for, its parts joined by `/`. */
  key: string
  path: string
  url: string
  seq?: number
  value: Json
}

export interface ListOptions {
  gt?: string
  limit?: number
  /** The empty text asks for the first page. */
  cursor?: string
}

export const all = (signal?: AbortSignal) => call<Database[]>(API, 'adminListDbs', [{}], signal)
export const ofUser = (userKey: string, signal?: AbortSignal) =>
  call<Database[]>(API, 'adminListDbs', [{ userKey }], signal)
export const describe = (dbId: string, signal?: AbortSignal) =>
  call<Database>(API, 'dbDescribe', [dbId], signal)
export const list = (dbId: string, path: readonly string[], options: ListOptions, signal?: AbortSignal) =>
  call<{ records: Entry[]; cursor?: string }>(API, 'recordList', [dbId, [...path], options], signal)
export const get = (dbId: string, path: readonly string[], signal?: AbortSignal) =>
  call<Entry>(API, 'recordGet', [dbId, [...path]], signal)
/** Only if the record is still at `ifSeq`; 0: only if there is none. */
export const put = (dbId: string, path: readonly string[], value: Json, ifSeq: number) =>
  call<Entry>(API, 'recordPut', [dbId, [...path], value, { ifSeq }])
export const remove = (dbId: string, path: readonly string[], ifSeq: number) =>
  call<null>(API, 'recordDelete', [dbId, [...path], { ifSeq }])
export const removeDatabase = (dbId: string) => call<null>(API, 'adminDeleteDb', [dbId])
