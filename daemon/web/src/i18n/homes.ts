import { texts } from '../lib/language.svelte'

export const homes = texts('homes')
