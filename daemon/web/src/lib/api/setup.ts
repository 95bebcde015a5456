/** `atek.cloud/setup-api`: the first boot, and a forgotten password. */

import { call } from '../rpc'
import type {
  BackupPlaces,
  Completed,
  RecoverPassword,
  ResetPassword,
  ResetStatus,
  RestoreBegun,
  RestoreBox,
  RestoreStatus,
  SetupParams,
  SetupStatus,
  UserSession
} from './types'

const API = 'atek.cloud/setup-api'

export type { BackupPlace, BackupTarget, PluggedDisk, Problem } from './types'

export const status = (signal?: AbortSignal) => call<SetupStatus>(API, 'status', [], signal)
export const checkClaim = (code: string) => call<true>(API, 'checkClaim', [code])
export const complete = (setup: SetupParams) => call<Completed>(API, 'complete', [setup])

/** Whether the card asks for a new password and the box shows the code for it. */
export const resetStatus = (signal?: AbortSignal) => call<ResetStatus>(API, 'resetStatus', [], signal)
/** Sets the password and signs its user in. */
export const resetPassword = (reset: ResetPassword) => call<UserSession>(API, 'resetPassword', [reset])
/** Sets the password with the recovery words and signs its user in. */
export const recoverPassword = (recovery: RecoverPassword) =>
  call<UserSession>(API, 'recoverPassword', [recovery])

/** Disks on which a backup may be. */
export const backupPlaces = (code: string) => call<BackupPlaces>(API, 'backupPlaces', [code])
/** Begins to make this new box the one of a backup. */
export const restoreBox = (restore: RestoreBox) => call<RestoreBegun>(API, 'restoreBox', [restore])
/** How far that is. */
export const restoreStatus = () => call<RestoreStatus>(API, 'restoreStatus')
