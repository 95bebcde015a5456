/** Names of backups, and paths in them. No DOM. */

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
