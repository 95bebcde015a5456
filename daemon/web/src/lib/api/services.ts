/** `atek.cloud/services-api`, and the streams that belong to it. */

import { stream } from '../ndjson'
import { call } from '../rpc'

const API = 'atek.cloud/services-api'

export type State = 'stopped' | 'starting' | 'running' | 'restarting' | 'failed' | 'sleeping' | 'unavailable'

export interface Manifest {
  name?: string
  description?: string
  author?: string
  license?: string
  frame?: boolean
  icon?: string
  /** What the app asks for. */
  permissions?: Permissions
}

/** What an app asks for or was granted, as the host writes it. Handed back as it came. */
export type Permissions = Record<string, unknown>

export interface Limits {
  /** Bytes. */
  memoryMax?: number
  tasksMax?: number
  /** Percent of one processor. */
  cpuQuota?: number
  /** 1 to 10000. */
  cpuWeight?: number
}

export interface Settings {
  id: string
  owningUserKey: string
  sourceUrl: string
  desiredVersion?: string
  package: { sourceType: 'file' | 'git'; installedVersion?: string; title?: string }
  manifest?: Manifest
  config?: Record<string, string>
  granted?: Permissions
  limits?: Limits
}

/** Where an app answers. */
export interface Addresses {
  /** What stands before the box's domain: `rss` of `rss.atek.local`. */
  subdomain: string
  /** A port of the box that is the app's own, for where names do not resolve. */
  port: number | null
  /** Names that the box announces to the network around it. */
  mdns: string[]
  /** What is wrong with these addresses, in words for a person. */
  problem: string | null
}

export interface Service {
  status: 'active' | 'inactive'
  state: State
  reason: string | null
  key: string
  owner: string | null
  settings: Settings
  addresses?: Addresses
}

export interface ServiceStatus {
  id: string
  key: string
  unit: string
  state: State
  reason: string | null
  since: string | null
  pid: number | null
  memoryBytes: number | null
  cpuUsec: number | null
  restarts: number
  lastExit: string | null
  limits: Limits
  version: string | null
}

export interface Sample {
  /** Milliseconds since 1970. */
  time: number
  memoryBytes: number | null
  cpuPercent: number | null
  tasks: number | null
}

export interface Metrics {
  intervalSec: number
  samples: Sample[]
}

export interface Inspection {
  id: string
  version: string | null
  /** What the tag named when it was looked at; none for a folder. */
  commit: string | null
  manifest: Manifest | null
  asks: Permissions
  asksInWords: string[]
  /** What it wants of the box beyond the usual; nothing of it holds unless the install says so. */
  limits?: Limits
  /** What may be wrong with it, though it can be installed. */
  warnings?: Warning[]
  /** Data that an uninstalled app of the same source left to this person, newest first. */
  retainedData?: RetainedData[]
}

export interface Warning {
  code: string
  /** In English. */
  message: string
}

export interface InstallParams {
  sourceUrl: string
  id?: string
  desiredVersion?: string
  user?: string
  config?: Record<string, string>
  grant?: Permissions
  limits?: Limits
  /** The key of data that an uninstalled app left and that this one takes over. */
  adoptData?: string
  /** Starts without such data; refused without either of the two while there is some. */
  fresh?: boolean
  /** What `inspect` showed: exactly this is installed, or nothing. */
  inspected?: { version: string; commit: string }
}

export interface Changes {
  id?: string
  sourceUrl?: string
  /** The empty text unpins. */
  desiredVersion?: string
  /** `null` removes a key. */
  config?: Record<string, string | null>
  /** `null` is the default again. */
  limits?: { [name in keyof Limits]: number | null }
  grant?: Permissions
}

export interface UpdateCheck {
  hasUpdate: boolean
  installedVersion: string
  latestVersion: string
}

export type JobEvent =
  | { event: 'progress'; phase: string; message: string; percent?: number }
  | { event: 'done'; result: unknown }
  | { event: 'failed'; error: { code: number; message: string; data?: unknown } }

export const levels = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug'] as const
export type Level = (typeof levels)[number]

export interface LogEntry {
  time: string
  level: Level
  message: string
  cursor: string
}

export const list = (signal?: AbortSignal) => call<{ services: Service[] }>(API, 'list', [], signal)
export const get = (id: string, signal?: AbortSignal) => call<Service>(API, 'get', [id], signal)
export const status = (id: string, signal?: AbortSignal) => call<ServiceStatus>(API, 'status', [id], signal)
export const metrics = (id: string, since?: number, signal?: AbortSignal) =>
  call<Metrics>(API, 'metrics', [id, since === undefined ? undefined : { since }], signal)
/** What would be installed: `user` is the owner where that is not the caller. */
export const inspect = (
  params: Pick<InstallParams, 'sourceUrl' | 'desiredVersion' | 'user'>,
  signal?: AbortSignal
) => call<Inspection>(API, 'inspect', [params], signal)
export const startInstall = (params: InstallParams) => call<{ job: string }>(API, 'startInstall', [params])
export const startUpdate = (id: string, agreed: { grant?: Permissions; limits?: Limits }) =>
  call<{ job: string }>(API, 'startUpdate', [id, agreed])
export const checkForUpdates = (id: string, signal?: AbortSignal) =>
  call<UpdateCheck>(API, 'checkForPackageUpdates', [id], signal)
/** With `keepData` its files stay, for who installs it again. */
export const uninstall = (id: string, keepData: boolean) => call<null>(API, 'uninstall', [id, { keepData }])

/** The data of an app that was uninstalled and whose owner kept it. */
export interface RetainedData {
  key: string
  id: string
  title?: string | null
  /** A user name; `system` for everybody's. */
  owner?: string | null
  sourceUrl: string
  version?: string | null
  /** RFC 3339: when the app was uninstalled. */
  keptAt: string
}

/** Of this person; of everybody for administrators. Oldest first. */
export const retainedData = (signal?: AbortSignal) =>
  call<{ kept: RetainedData[] }>(API, 'keptData', [], signal).then(({ kept }) => kept)
export const removeRetained = (key: string) => call<null>(API, 'removeKept', [key])

export const start = (id: string) => call<null>(API, 'start', [id])
export const stop = (id: string) => call<null>(API, 'stop', [id])
export const restart = (id: string) => call<null>(API, 'restart', [id])
export const configure = (id: string, changes: Changes) => call<null>(API, 'configure', [id, changes])

/** What a job tells, ending with `done` or `failed`. */
export const job = (name: string, signal: AbortSignal) =>
  stream<JobEvent>(`/_atek/jobs/${encodeURIComponent(name)}`, signal)

export interface LogQuery {
  level?: Level
  since?: string
  lines?: number
  cursor?: string
  follow?: boolean
}

export function logs(id: string, query: LogQuery, signal: AbortSignal) {
  const params = new URLSearchParams({ service: id })
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== false) params.set(name, value === true ? '1' : String(value))
  }
  return stream<LogEntry>(`/_atek/logs?${params}`, signal)
}
