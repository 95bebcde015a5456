/** `atek.cloud/setup-api`: the first boot, and a forgotten password. */

import { call } from '../rpc'
import type { Completed, ResetPassword, ResetStatus, SetupParams, SetupStatus, UserSession } from './types'

const API = 'atek.cloud/setup-api'

export type { Problem } from './types'

export const status = (signal?: AbortSignal) => call<SetupStatus>(API, 'status', [], signal)
export const checkClaim = (code: string) => call<true>(API, 'checkClaim', [code])
export const complete = (setup: SetupParams) => call<Completed>(API, 'complete', [setup])

/** Whether the card asks for a new password and the box shows the code for it. */
export const resetStatus = (signal?: AbortSignal) => call<ResetStatus>(API, 'resetStatus', [], signal)
/** Sets the password and signs its user in. */
export const resetPassword = (reset: ResetPassword) => call<UserSession>(API, 'resetPassword', [reset])
