/** `atek.cloud/setup-api`: the first boot. */

import { call } from '../rpc'

const API = 'atek.cloud/setup-api'

/** A settings file of the boot partition that could not be used. */
export interface Problem {
  file: string
  problem: string
}

export type Status = { needed: false } | { needed: true; name: string; timezone: string; problems: Problem[] }

export interface Setup {
  code: string
  name: string
  username: string
  password: string
  timezone: string
}

export interface Completed {
  isActive: true
  username: string
  /** What could not be set, in words for a person; it can be set later. */
  problems?: string[]
}

export const status = (signal?: AbortSignal) => call<Status>(API, 'status', [], signal)
export const checkClaim = (code: string) => call<true>(API, 'checkClaim', [code])
export const complete = (setup: Setup) => call<Completed>(API, 'complete', [setup])
