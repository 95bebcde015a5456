/** `atek.cloud/system-api`. */

import { call } from '../rpc'
import type {
  FactoryReset,
  MailChanges,
  MailStatus,
  MoveData,
  MoveTargets,
  Resources,
  Security,
  Series,
  SystemInfo,
  SystemSample
} from './types'

const API = 'atek.cloud/system-api'

export type { SystemInfo as Info } from './types'

export const info = (signal?: AbortSignal) => call<SystemInfo>(API, 'info', [], signal)
export const resources = (signal?: AbortSignal) => call<Resources>(API, 'resources', [], signal)
export const history = (signal?: AbortSignal) => call<Series<SystemSample>>(API, 'history', [], signal)
export const security = (signal?: AbortSignal) => call<Security>(API, 'security', [], signal)
export const setName = (name: string) => call<null>(API, 'setName', [name])
/** Replaces the names that administrators added. */
export const setNames = (names: readonly string[]) => call<null>(API, 'setNames', [names])
export const setTimezone = (timezone: string) => call<null>(API, 'setTimezone', [timezone])

export const mail = (signal?: AbortSignal) => call<MailStatus>(API, 'mail', [], signal)
export const setMail = (changes: MailChanges) => call<MailStatus>(API, 'setMail', [changes])
/** Tries these settings, or those that are set. */
export const testMail = (changes?: MailChanges) => call<null>(API, 'testMail', changes ? [changes] : [])
/** Where the data are, and the disks to which they could move. */
export const moveTargets = (signal?: AbortSignal) => call<MoveTargets>(API, 'moveTargets', [], signal)

/** A box that goes down may take its answer along: after so many milliseconds it is taken for gone. */
const GOING_DOWN = 8000

export const reboot = () => call<null>(API, 'reboot', [], AbortSignal.timeout(GOING_DOWN))
/** Makes the box a new one; it restarts. */
export const factoryReset = (reset: FactoryReset) =>
  call<null>(API, 'factoryReset', [reset], AbortSignal.timeout(GOING_DOWN))
/** Moves the data; the box restarts. What is on a disk is lost before the answer. */
export const moveData = (wanted: MoveData) =>
  call<null>(API, 'moveData', [wanted], AbortSignal.timeout(60_000))
export const powerOff = () => call<null>(API, 'powerOff', [], AbortSignal.timeout(GOING_DOWN))
