/** Light or dark: as the device says, or as the person chose on it. */

import { read, store } from './storage'

export const themes = ['auto', 'light', 'dark'] as const
export type Theme = (typeof themes)[number]

const stored = read('theme')
let chosen = $state<Theme>(themes.find((theme) => theme === stored) ?? 'auto')

export const theme = {
  get choice(): Theme {
    return chosen
  },
  choose(wanted: Theme) {
    chosen = wanted
    store('theme', wanted === 'auto' ? null : wanted)
    apply()
  }
}

/** Puts the choice on the page; the style sheet does the rest. */
export function apply() {
  if (chosen === 'auto') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = chosen
}
