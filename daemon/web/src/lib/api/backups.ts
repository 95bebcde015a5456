/** `atek.cloud/backups-api`: copies of everything, elsewhere, and the way back. */

import { call } from '../rpc'
import type {
  BackupChanges,
  BackupPlaces,
  BackupRun,
  BackupStatus,
  RestoreApp,
  RestoreDatabase,
  RestoredApp,
  RestoredDatabase,
  RestoredFile,
  RestoredFiles,
  RestoredUser,
  RestoreFile,
  RestoreUser,
  StoredApps,
  StoredFiles,
  StoredPeople
} from './types'

const API = 'atek.cloud/backups-api'

export type {
  BackupPlace,
  BackupRun,
  BackupStatus,
  BackupTarget,
  PluggedDisk,
  Retention,
  Schedule,
  StoredApp,
  StoredDatabase,
  StoredFile,
  StoredUser
} from './types'

export const status = (signal?: AbortSignal) => call<BackupStatus>(API, 'status', [], signal)
export const configure = (changes: BackupChanges) => call<BackupStatus>(API, 'configure', [changes])
export const places = (signal?: AbortSignal) => call<BackupPlaces>(API, 'places', [], signal)
/** Begins a backup; `status` tells how far it is. */
export const start = () => call<null>(API, 'startBackUp')
export const runs = (signal?: AbortSignal) => call<{ runs: BackupRun[] }>(API, 'list', [], signal)
export const password = () => call<{ password: string; ofWords: boolean }>(API, 'password')

export const apps = (run: string, signal?: AbortSignal) => call<StoredApps>(API, 'apps', [run], signal)
export const people = (run: string, signal?: AbortSignal) => call<StoredPeople>(API, 'people', [run], signal)
export const files = (app: string, path: string, run: string, signal?: AbortSignal) =>
  call<StoredFiles>(API, 'files', [app, path, run], signal)

export const restore = (id: string, run: string) => call<RestoredFiles>(API, 'restore', [id, run])
export const restoreFile = (wanted: RestoreFile) => call<RestoredFile>(API, 'restoreFile', [wanted])
export const restoreApp = (wanted: RestoreApp) => call<RestoredApp>(API, 'restoreApp', [wanted])
export const restoreDatabase = (wanted: RestoreDatabase) =>
  call<RestoredDatabase>(API, 'restoreDatabase', [wanted])
export const restoreUser = (wanted: RestoreUser) => call<RestoredUser>(API, 'restoreUser', [wanted])
