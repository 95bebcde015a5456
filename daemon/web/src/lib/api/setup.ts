/** `atek.cloud/setup-api`: the first boot, and a forgotten password. */

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

/** A new password for a user, with the code that the box shows. */
export interface Reset {
  code: string
  /** May be left out where the card names the user, or the box has one administrator. */
  username?: string
  password: string
}

/** Whether the card asks for a new password and the box shows the code for it. */
export const resetStatus = (signal?: AbortSignal) =>
  call<{ pending: boolean }>(API, 'resetStatus', [], signal)
/** Sets the password and signs its user in. */
export const resetPassword = (reset: Reset) => call<{ username: string }>(API, 'resetPassword', [reset])
