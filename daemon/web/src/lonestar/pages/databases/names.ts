/** How a database is called, and where its pages are. */

import { admin } from '../../../i18n/admin'
import type { Database } from '../../../lib/api/databases'
import { short } from '../../../lib/format'

export function nameOf(database: Database): string {
  if (database.isServerDb) return admin().databases.serverDb
  return short(database.alias ?? '', 80) || `${admin().databases.unnamed} (${database.dbId.slice(0, 8)})`
}

export function hrefOf(dbId: string, path: readonly string[]): string {
  return `/p/databases/${[dbId, ...path].map(encodeURIComponent).join('/')}`
}

/** A file name that every system takes. */
export function fileNameOf(database: Database): string {
  const words = nameOf(database).replace(/[^\p{L}\p{Nd}._-]+/gu, '-')
  return `${words || 'database'}.ndjson`
}
