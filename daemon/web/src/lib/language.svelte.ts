/** The language of the texts: the browser's, or what the person chose on this device. */

import { read, store } from './storage'

export const languages = { en: 'English', de: 'Deutsch' } as const
export type Language = keyof typeof languages

/** The first of the wanted languages that there is; English otherwise. */
export function match(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const [primary] = tag.toLowerCase().split('-')
    if (primary !== undefined && isLanguage(primary)) return primary
  }
  return 'en'
}

export function isLanguage(value: unknown): value is Language {
  return typeof value === 'string' && Object.hasOwn(languages, value)
}

const stored = read('language')
let choice = $state<Language | null>(isLanguage(stored) ? stored : null)

export const language = {
  /** What the person chose; `null` follows the browser. */
  get choice(): Language | null {
    return choice
  },
  get current(): Language {
    return choice ?? match(globalThis.navigator?.languages ?? [])
  },
  choose(chosen: Language | null) {
    choice = chosen
    store('language', chosen)
    document.documentElement.lang = this.current
  }
}

/** Texts in every language; the function that is returned gives those of the current one. */
export function texts<T>(all: Record<Language, T>): () => T {
  return () => all[language.current]
}
