/** `atek.cloud/services-api`, and the streams that belong to it. */

import { stream } from '../ndjson'
import { call } from '../rpc'
import type {
  ConfigureParams,
  Inspection,
  InstallParams,
  JobEvent,
  KeptData,
  LogEntry,
  LogOptions,
  Series,
  ServiceInfo,
  ServiceSample,
  ServiceStatus,
  UninstallParams
} from './types'

const API = 'atek.cloud/services-api'

export type {
  Addresses,
  ConfigureParams as Changes,
  Inspection,
  InstallParams,
  JobEvent,
  KeptData as RetainedData,
  Limits,
  LogEntry,
  Manifest,
  Permissions,
  ServiceInfo as Service,
  ServiceSample as Sample,
  ServiceSettings as Settings,
  ServiceStatus,
  State,
  Warning
} from './types'

export const levels = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug'] as const
export type Level = (typeof levels)[number]

export const list = (signal?: AbortSignal) => call<{ services: ServiceInfo[] }>(API, 'list', [], signal)
export const get = (id: string, signal?: AbortSignal) => call<ServiceInfo>(API, 'get', [id], signal)
export const status = (id: string, signal?: AbortSignal) => call<ServiceStatus>(API, 'status', [id], signal)
export const metrics = (id: string, since?: number, signal?: AbortSignal) =>
  call<Series<ServiceSample>>(API, 'metrics', [id, since === undefined ? undefined : { since }], signal)
/** What would be installed: `user` is the owner where that is not the caller. */
export const inspect = (
  params: Pick<InstallParams, 'sourceUrl' | 'desiredVersion' | 'sourceToken' | 'user'>,
  signal?: AbortSignal
) => call<Inspection>(API, 'inspect', [params], signal)
export const startInstall = (params: InstallParams) => call<{ job: string }>(API, 'startInstall', [params])
/** With `keepData` its files stay, for who installs it again. */
export const uninstall = (id: string, keepData: boolean) =>
  call<null>(API, 'uninstall', [id, { keepData } satisfies UninstallParams])

/** Of this person; of everybody for administrators. Oldest first. */
export const retainedData = (signal?: AbortSignal) =>
  call<{ kept: KeptData[] }>(API, 'keptData', [], signal).then(({ kept }) => kept)
export const removeRetained = (key: string) => call<null>(API, 'removeKept', [key])

export const start = (id: string) => call<null>(API, 'start', [id])
export const stop = (id: string) => call<null>(API, 'stop', [id])
export const restart = (id: string) => call<null>(API, 'restart', [id])
export const configure = (id: string, changes: ConfigureParams) => call<null>(API, 'configure', [id, changes])

/** What a job tells, ending with `done` or `failed`. */
export const job = (name: string, signal: AbortSignal) =>
  stream<JobEvent>(`/_atek/jobs/${encodeURIComponent(name)}`, signal)

/** `follow` goes on with what is logged from now on. */
export type LogQuery = LogOptions & { follow?: boolean }

export function logs(id: string, query: LogQuery, signal: AbortSignal) {
  const params = new URLSearchParams({ service: id })
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== false) params.set(name, value === true ? '1' : String(value))
  }
  return stream<LogEntry>(`/_atek/logs?${params}`, signal)
}
