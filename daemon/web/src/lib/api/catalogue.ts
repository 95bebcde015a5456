/** `atek.cloud/catalogue-api`: recipes of apps. */

import { call } from '../rpc'
import type { CatalogueInfo, Category, RecipeInfo } from './types'

export type { Category, RecipeInfo as Recipe } from './types'

const API = 'atek.cloud/catalogue-api'

export const categories = [
  'automation',
  'communication',
  'development',
  'files',
  'monitoring',
  'notes',
  'tools'
] as const satisfies readonly Category[]

export const search = (signal?: AbortSignal) => call<{ recipes: RecipeInfo[] }>(API, 'search', [], signal)
export const list = (signal?: AbortSignal) => call<{ catalogues: CatalogueInfo[] }>(API, 'list', [], signal)
