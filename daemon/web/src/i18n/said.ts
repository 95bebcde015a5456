import { texts } from '../lib/language.svelte'

export const said = texts('said')
