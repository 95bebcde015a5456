/** Rows of the audit log in the person's language. No DOM. */

import type { apps } from '../i18n/apps'
import type { rights } from '../i18n/rights'
import type { Deed } from '../lib/api/permissions'
import { wordsOf } from './rights'

type AppTexts = ReturnType<typeof apps>['permissions']
type RightTexts = ReturnType<typeof rights>

/** Stands for names that are not told apart any more. */
const MANY = '*'

/** What was done, in a few words. */
export function deedOf(row: Deed, t: RightTexts, apps: AppTexts): string {
  const words = t.activity.deeds
  const what = row.what === MANY ? words.many : row.what
  const about = row.about ?? ''
  switch (row.kind) {
    case 'call':
      return words.call(row.method === MANY ? words.many : (row.method ?? ''), what, about)
    case 'connection':
      return words.connection(what, about)
    case 'host':
      return words.host(what)
    case 'page':
      return words.page(about)
    case 'permission':
      return words.permission(about, wordsOf({ permission: row.what, words: row.words ?? row.what }, t, apps))
    case 'password':
      return words.password(about, words.keysAfter[row.what as keyof typeof words.keysAfter] ?? row.what)
    case 'share': {
      const [, name, level] = /^(.*) \((view|use|manage)\)$/s.exec(row.what) ?? []
      return words.share(
        about,
        name ?? row.what,
        level ? t.sharing.app.levels[level as keyof typeof t.sharing.app.levels] : ''
      )
    }
  }
}

/** Whether the row is about a host that can be blocked for an app that is still there. */
export const blockable = ({ kind, caller, app, outcome, what }: Deed) =>
  kind === 'host' && caller === 'app' && app !== null && outcome !== 'refused' && !what.startsWith(MANY)
