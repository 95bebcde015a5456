/** Single permissions by their id, in the person's language. No DOM. */

import type { apps } from '../i18n/apps'
import type { rights } from '../i18n/rights'

type AppTexts = ReturnType<typeof apps>['permissions']
type RightTexts = ReturnType<typeof rights>

export interface Named {
  permission: string
  /** The host's own words, in English. */
  words: string
  /** The name of what was picked. */
  picked?: string | null
}

/** Whether a person must still pick what it is about. */
export const isOpenPermission = (permission: string) =>
  /^(provider:[^=]*|(database|folder):(read|write)|device:any)$/.test(permission)

/** Completes "this app may"; the host's own words for what this page does not know. */
export function wordsOf({ permission, words, picked }: Named, t: RightTexts, apps: AppTexts): string {
  if (permission === 'direct') return t.internet
  if (permission === 'lan') return t.home
  if (permission === 'root') return apps.root
  if (permission === 'mdns') return apps.mdns
  const [kind, rest] = split(permission, ':')
  if (kind === 'host') return apps.hosts(rest)
  if (kind === 'device') return rest === 'any' ? t.anyDevice : apps.device(rest)
  if (kind === 'listen') return apps.listen(rest)
  if (kind === 'provides') return apps.provides(rest)
  if (kind === 'api')
    return (Object.hasOwn(apps.apis, rest) ? known(apps.apis, rest) : undefined) ?? apps.api(rest)
  if (kind === 'provider') {
    const [api, service] = split(rest, '=')
    return service === '' ? t.anyProvider(api) : t.provider(api, picked ?? service)
  }
  if (kind === 'folder') {
    const [folder, access] = rest.includes(':') ? split(rest, ':') : ['', rest]
    if (folder === '') return access === 'write' ? t.anyWriteFolder : t.anyReadFolder
    const name = picked ?? split(folder, '/')[1]
    return access === 'write' ? t.writeFolder(name) : t.readFolder(name)
  }
  if (kind === 'database') {
    const [id, access] = rest.includes(':') ? split(rest, ':') : ['', rest]
    if (id === '') return access === 'write' ? t.anyWriteDatabase : t.anyReadDatabase
    const name = picked ?? id.slice(0, 8)
    return access === 'write' ? t.writeDatabase(name) : t.readDatabase(name)
  }
  return words
}

const known = (texts: Readonly<Record<string, string>>, id: string): string | undefined => texts[id]

function split(text: string, at: string): [string, string] {
  const place = text.indexOf(at)
  return place < 0 ? [text, ''] : [text.slice(0, place), text.slice(place + 1)]
}
