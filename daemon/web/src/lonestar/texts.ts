/** The texts of these pages, a file a language. */

import type { Sources } from '../lib/language.svelte'

export const texts: Sources = {
  en: () => import('../i18n/en/for-lonestar'),
  de: () => import('../i18n/de/for-lonestar')
}
