/** `atek.cloud/catalogue-api`: recipes of apps. */

import { call } from '../rpc'
import type { Permissions } from './services'

const API = 'atek.cloud/catalogue-api'

export const categories = [
  'automation',
  'communication',
  'development',
  'files',
  'monitoring',
  'notes',
  'tools'
] as const
export type Category = (typeof categories)[number]

export interface Recipe {
  /** What to install. */
  sourceUrl: string
  catalogue: string
  name: string
  title: string
  /** A sentence in each language, by its code; there is always an English one. */
  summary: Record<string, string>
  categories: Category[]
  version: string
  homepage?: string
  license?: string
  permissions: Permissions
  /** A path of the host. */
  icon?: string
  /** Paths of the host. */
  screenshots?: string[]
}

export interface Catalogue {
  name: string
  title: string
  url?: string
  recipes: number
  /** Why the last refresh failed. */
  problem?: string
}

export const search = (signal?: AbortSignal) => call<{ recipes: Recipe[] }>(API, 'search', [], signal)
export const list = (signal?: AbortSignal) => call<{ catalogues: Catalogue[] }>(API, 'list', [], signal)
