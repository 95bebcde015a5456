/** `atek.cloud/system-api`. */

import { call } from '../rpc'

const API = 'atek.cloud/system-api'

export interface Info {
  name: string
  version: string
  os: string
  kernel: string
  arch: string
  model?: string
  timezone: string
  /** RFC 3339. */
  time: string
  uptimeSec: number
  domain: string
  addresses: string[]
  urls: string[]
}

export interface Resources {
  disk: { path: string; totalBytes: number; freeBytes: number }
  memory: { totalBytes: number; availableBytes: number }
  swap: { totalBytes: number; freeBytes: number }
  /** Over 1, 5 and 15 minutes. */
  load: [number, number, number]
  cpus: number
  /** `null` where the board has no sensor. */
  temperatureC: number | null
}

export interface Sample {
  /** Milliseconds since 1970. */
  time: number
  memoryUsedBytes: number
  cpuPercent: number | null
  temperatureC: number | null
}

export interface History {
  intervalSec: number
  samples: Sample[]
}

export interface UnitSecurity {
  unit: string
  /** The app's id; `null` for the host's own. */
  id: string | null
  title: string
  /** As `systemd-analyze security` gives it: 0 (nothing is open) to 10 (no sandbox). */
  exposure: number
  words: string
}

export const info = (signal?: AbortSignal) => call<Info>(API, 'info', [], signal)
export const resources = (signal?: AbortSignal) => call<Resources>(API, 'resources', [], signal)
export const history = (signal?: AbortSignal) => call<History>(API, 'history', [], signal)
export const security = (signal?: AbortSignal) => call<{ units: UnitSecurity[] }>(API, 'security', [], signal)
export const setName = (name: string) => call<null>(API, 'setName', [name])
export const setTimezone = (timezone: string) => call<null>(API, 'setTimezone', [timezone])

/** A box that goes down may take its answer along: after so many milliseconds it is taken for gone. */
const GOING_DOWN = 8000

export const reboot = () => call<null>(API, 'reboot', [], AbortSignal.timeout(GOING_DOWN))
export const powerOff = () => call<null>(API, 'powerOff', [], AbortSignal.timeout(GOING_DOWN))
