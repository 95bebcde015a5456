import { texts } from '../lib/language.svelte'

export const lonestar = texts('lonestar')
