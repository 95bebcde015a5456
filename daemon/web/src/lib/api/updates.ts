/** Updates, the way back from them, and snapshots: a part of `atek.cloud/services-api`. */

import { call } from '../rpc'
import type {
  SnapshotInfo,
  UpdateChanges,
  UpdateParams,
  UpdatePlan,
  UpdateSettings,
  UpdateStatus
} from './types'

const API = 'atek.cloud/services-api'

export type {
  AvailableUpdate,
  RefusedRelease,
  SnapshotInfo,
  UpdateChanges,
  UpdateEntry,
  UpdateMode,
  UpdateOutcome,
  UpdatePlan,
  UpdateSettings,
  UpdateStatus
} from './types'

/** As of the last look; and what this person decided for all their apps. */
export const list = (signal?: AbortSignal) =>
  call<{ updates: UpdateStatus[]; settings: UpdateSettings }>(API, 'updates', [], signal)
/** Returns when something about updates is not as it was at `since`, or after a while all the same. */
export const changed = (since: number | undefined, signal?: AbortSignal) =>
  call<{ revision: number }>(API, 'updatesChanged', since === undefined ? [] : [since], signal)
/** With `look` the source is asked first, which may take a while. */
export const status = (id: string, look: boolean, signal?: AbortSignal) =>
  call<UpdateStatus>(API, 'updateStatus', [id, look], signal)
/** What an update would install: fetched, but nothing of it runs. */
export const plan = (id: string, to: string, signal?: AbortSignal) =>
  call<UpdatePlan>(API, 'planUpdate', [id, { to } satisfies UpdateParams], signal)
export const start = (id: string, params: UpdateParams) =>
  call<{ job: string }>(API, 'startUpdate', [id, params])
export const goBack = (id: string, keepData: boolean) =>
  call<{ job: string }>(API, 'startRollback', [id, keepData])
/** An empty id decides for all of this person's apps. */
export const decide = (id: string, changes: UpdateChanges) =>
  call<UpdateSettings>(API, 'setUpdates', [id, changes])

export const createSnapshot = (id: string) => call<SnapshotInfo>(API, 'createSnapshot', [id])
export const restoreSnapshot = (id: string, name: string) => call<null>(API, 'restoreSnapshot', [id, name])
export const removeSnapshot = (id: string, name: string) => call<null>(API, 'removeSnapshot', [id, name])
