/** Names of backups, of paths in them and of disks. No DOM. */

import type { BackupTarget, PluggedDisk } from '../lib/api/backups'
import { short } from '../lib/format'

/** When a backup was begun: its name is the time, as `20261128T213000Z`. */
export function madeAt(run: string): Date {
  const found = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/.exec(run)
  if (!found) return new Date(NaN)
  const [year, month, day, hour, minute, second] = found.slice(1).map(Number)
  return new Date(Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second))
}

/** A name in a folder; the empty folder is the app's own. */
export const inFolder = (folder: string, name: string) => (folder === '' ? name : `${folder}/${name}`)

/** The folder above. */
export const above = (folder: string) => folder.split('/').slice(0, -1).join('/')

/** What people know a disk by. */
export function diskName({ name, device }: PluggedDisk): string {
  return name === '' ? device : `${short(name, 60)} (${short(device, 20)})`
}

/** A target as the value of a choice: `disk:ID`, `server`, or `folder`. */
export function choiceOf(target: BackupTarget | undefined): string {
  return target?.kind === 'disk' ? `disk:${target.id}` : (target?.kind ?? 'folder')
}

/** The target of a choice; none of a folder that was not written. */
export function targetOf(choice: string, folder: string): BackupTarget | null {
  if (choice.startsWith('disk:')) return { kind: 'disk', id: choice.slice(5) }
  return folder.trim() === '' ? null : { kind: 'folder', path: folder.trim() }
}

/** Whether both are the same place. */
export function isSame(one: BackupTarget | undefined, other: BackupTarget): boolean {
  if (one?.kind === 'disk') return other.kind === 'disk' && one.id === other.id
  if (one?.kind === 'server') return other.kind === 'server' && one.url === other.url && !other.hostKey
  return one !== undefined && other.kind === 'folder' && one.path === other.path
}
