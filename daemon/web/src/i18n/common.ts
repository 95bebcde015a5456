import { texts } from '../lib/language.svelte'

export const common = texts('common')
