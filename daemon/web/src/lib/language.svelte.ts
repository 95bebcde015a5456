/** The language of the page: the browser's, or what the person chose on this device. Only its texts are fetched. */

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

/** The texts of a page, by part. */
export type Parts = typeof import('../i18n/en/for-host') & typeof import('../i18n/en/for-lonestar')
/** Where the texts of each language are: a file of its own, fetched when it is first needed. */
export type Sources = Record<Language, () => Promise<Partial<Parts>>>

const stored = read('language')
let choice = $state<Language | null>(isLanguage(stored) ? stored : null)
const wanted = () => choice ?? match(globalThis.navigator?.languages ?? [])

let sources: Sources | null = null
let shown = $state.raw<{ language: Language; texts: Partial<Parts> }>({ language: wanted(), texts: {} })

/** Shows the language that is wanted now; what was shown stays until its texts are there. */
async function show() {
  const language = wanted()
  const texts = await sources?.[language]()
  // Another one may have been chosen since.
  if (texts && language === wanted()) shown = { language, texts }
  document.documentElement.lang = shown.language
}

export const language = {
  /** What the person chose; `null` follows the browser. */
  get choice(): Language | null {
    return choice
  },
  /** The one on the page. */
  get current(): Language {
    return shown.language
  },
  /** Fetches the texts of the first page. Nothing is to be mounted before. */
  start(from: Sources): Promise<void> {
    sources = from
    return show()
  },
  /** Where the texts cannot be fetched, the page stays as it is, and the choice counts when it is next opened. */
  async choose(chosen: Language | null) {
    choice = chosen
    store('language', chosen)
    await show().catch(() => undefined)
  }
}

/** A part of the texts; the function that is returned gives it in the current language. */
export function texts<Name extends keyof Parts>(part: Name): () => Parts[Name] {
  return () => {
    const found: Parts[Name] | undefined = shown.texts[part]
    if (!found) throw new Error(`the texts of ${part} are not loaded`)
    return found
  }
}
